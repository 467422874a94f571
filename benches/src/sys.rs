//! The few system calls that the standard library has no name for, each behind a safe function.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// A level-triggered epoll set.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

/// What an [`Epoll`] reports about one descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// The token given to [`Epoll::add`].
    pub token: u64,
    /// There are bytes to read, or the peer has closed.
    pub readable: bool,
    /// The socket takes bytes again; reported only while asked for.
    pub writable: bool,
}

impl Epoll {
    /// An empty set.
    pub fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointers; its result is checked before it is owned.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        Ok(Self { fd: own(fd) })
    }

    /// Watches `fd` for reading. Closing the descriptor takes it out of the set.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, false)
    }

    /// Turns the watch for writing on or off; reading stays watched.
    pub fn watch_writable(&self, fd: BorrowedFd<'_>, token: u64, on: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, on)
    }

    fn control(&self, op: i32, fd: BorrowedFd<'_>, token: u64, writable: bool) -> io::Result<()> {
        let mut flags = libc::EPOLLIN | libc::EPOLLRDHUP;
        if writable {
            flags |= libc::EPOLLOUT;
        }
        let mut event = libc::epoll_event {
            events: flags.cast_unsigned(),
            u64: token,
        };
        // SAFETY: both descriptors are borrowed for the call and `event` lives through it.
        check(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), op, fd.as_raw_fd(), &raw mut event) })?;
        Ok(())
    }

    /// Waits until something is ready or `timeout` has passed (`None` = for ever), with
    /// nanosecond resolution: an open-loop generator that rounds to milliseconds is always late.
    /// An interrupted wait reports nothing.
    pub fn wait(&self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS_PER_WAIT];
        let limit = timeout.map(timespec);
        let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let no_mask = std::ptr::null::<libc::sigset_t>();
        // SAFETY: `events` holds EVENTS_PER_WAIT entries, `limit` is null or points to a live
        // timespec, and a null signal mask of size 0 leaves the mask alone.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.fd.as_raw_fd(),
                events.as_mut_ptr(),
                EVENTS_PER_WAIT,
                limit,
                no_mask,
                0_usize,
            )
        };
        ready.clear();
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            let interrupted = error.kind() == io::ErrorKind::Interrupted;
            return if interrupted { Ok(()) } else { Err(error) };
        };
        let hang_up = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR).cast_unsigned();
        let input = libc::EPOLLIN.cast_unsigned() | hang_up;
        for event in events.iter().take(count) {
            let flags = event.events;
            ready.push(Ready {
                token: event.u64,
                readable: flags & input != 0,
                writable: flags & libc::EPOLLOUT.cast_unsigned() != 0,
            });
        }
        Ok(())
    }
}

/// A counter one thread raises to wake another out of [`Epoll::wait`].
#[derive(Debug)]
pub struct Waker {
    fd: OwnedFd,
}

impl Waker {
    /// A waker that has not been raised.
    pub fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointers; its result is checked before it is owned.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        Ok(Self { fd: own(fd) })
    }

    /// Wakes the other side. A full counter means that it is awake already.
    pub fn raise(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: `one` is 8 readable bytes, which is what an eventfd takes.
        unsafe { libc::write(self.fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Takes the counter back to zero, so that the next [`Waker::raise`] is seen.
    pub fn lower(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: `count` is 8 writable bytes, which is what an eventfd gives.
        unsafe { libc::read(self.fd.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Binds the calling thread, and threads it starts later, to one CPU.
pub fn pin_to_cpu(cpu: usize) -> io::Result<()> {
    if cpu >= CPUS_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no such CPU"));
    }
    let mut set = [0_u64; CPUS_MAX / 64];
    set[cpu / 64] |= 1 << (cpu % 64);
    // SAFETY: `set` is a mask of the size given, and 0 names the calling thread.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&set), set.as_ptr().cast()) };
    check(result).map(drop)
}

/// Has a later bind to an address alone leave the choice of the port to connect, which may take
/// any that is free towards the one server; bind would take one that is free towards everybody.
pub fn choose_port_at_connect(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    let (level, option) = (libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT);
    let value = (&raw const on).cast();
    let length = size_of_val(&on) as libc::socklen_t;
    // SAFETY: the socket is borrowed for the call, and `value` points to `length` live bytes.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value, length) }).map(drop)
}

/// Asks the kernel to end the calling process when the thread that started it ends, so that a
/// killed driver leaves no server behind. Safe between `fork` and `exec`.
pub fn end_with_parent() -> io::Result<()> {
    // SAFETY: the call takes integers only.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) }).map(drop)
}

/// Asks a process to end in order (SIGTERM).
pub fn terminate(pid: u32) -> io::Result<()> {
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: the call takes integers only.
    check(unsafe { libc::kill(pid, libc::SIGTERM) }).map(drop)
}

/// Has the calling thread's waits end on time: the kernel may otherwise be 50 µs late to save
/// wake-ups, which an open loop would count as its own lateness.
pub fn wake_on_time() -> io::Result<()> {
    let one_nanosecond: libc::c_ulong = 1;
    // SAFETY: the call takes integers only.
    check(unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, one_nanosecond) }).map(drop)
}

/// Allows this process, and those it starts, as many open files as the system lets it have.
pub fn raise_file_limit() -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a live, writable rlimit.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is a live rlimit.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }).map(drop)
}

/// Clock ticks per second, the unit of the CPU times in `/proc`.
pub fn ticks_per_second() -> u64 {
    // SAFETY: the call takes an integer only.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).unwrap_or(100)
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Takes over a descriptor that a call has just opened.
fn own(fd: i32) -> OwnedFd {
    // SAFETY: the callers pass what a system call returned, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn timespec(duration: Duration) -> libc::timespec {
    // A wait of more than a few centuries is as good as one of exactly that.
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    libc::timespec {
        tv_sec: seconds,
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// One turn handles at most this many sockets; the rest are reported by the next wait.
const EVENTS_PER_WAIT: usize = 512;

/// The kernel's own default limit for the size of an affinity mask.
const CPUS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_raised_waker_is_reported_once_it_is_raised_and_not_before() {
        let (epoll, waker, mut ready) = (Epoll::new().unwrap(), Waker::new().unwrap(), Vec::new());
        epoll.add(waker.as_fd(), 7).unwrap();
        epoll.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert!(ready.is_empty());
        waker.raise();
        epoll.wait(&mut ready, None).unwrap();
        assert_eq!(ready.len(), 1);
        assert!(ready[0].token == 7 && ready[0].readable && !ready[0].writable);
        waker.lower();
        epoll.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert!(ready.is_empty());
    }

    #[test]
    fn a_wait_ends_after_a_fraction_of_a_millisecond() {
        let (epoll, mut ready) = (Epoll::new().unwrap(), Vec::new());
        let waits = (0..100).map(|_| {
            let start = Instant::now();
            epoll
                .wait(&mut ready, Some(Duration::from_micros(100)))
                .unwrap();
            start.elapsed()
        });
        let shortest = waits.min().unwrap();
        assert!(shortest >= Duration::from_micros(100));
        assert!(
            shortest < Duration::from_millis(1),
            "waits are rounded up to milliseconds"
        );
    }
}
