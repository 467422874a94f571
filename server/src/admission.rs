//! Who may connect: bounds per address and in all, before anything is known about a peer.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use martlet_protocol::CloseCode;
use parking_lot::Mutex;

use crate::config::limits::Limits;

/// The part of an address that one subscriber holds: an IPv4 address or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(u64);

impl Origin {
    /// The origin of an address. IPv4 in IPv6 clothes is IPv4, or one host had two budgets.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(u64::from(v4.to_bits())),
            IpAddr::V6(v6) => Self((v6.to_bits() >> 64) as u64 | V6_BIT),
        }
    }
}

/// Tells IPv6 prefixes from IPv4 addresses: the top bit, which no routed prefix needs (2000::/3).
const V6_BIT: u64 = 1 << 63;

/// Counts and rates of all reactors together.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    counts: Mutex<Counts>,
    connects: DefaultKeyedRateLimiter<Origin>,
    authentications: DefaultKeyedRateLimiter<Origin>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: u32,
    unauthenticated: u32,
    unauthenticated_by_origin: HashMap<Origin, u32>,
}

/// A place among the connections; dropping it gives the place back.
#[derive(Debug)]
pub struct Place {
    admission: Arc<Admission>,
    /// Whose unauthenticated places this one counts among, until the peer authenticates.
    stranger: Option<Stranger>,
}

#[derive(Clone, Copy, Debug)]
enum Stranger {
    Counted(Origin),
    Exempt,
}

impl Admission {
    /// Nobody is connected yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            counts: Mutex::default(),
            connects: limiter(limits.connections_per_second),
            authentications: limiter(limits.authentications_per_second),
            limits: limits.clone(),
        }
    }

    /// A place for a new connection from `address`.
    ///
    /// # Errors
    /// When there is none: what the peer is told.
    pub fn connect(self: &Arc<Self>, address: IpAddr) -> Result<Place, CloseCode> {
        let stranger = if self.is_exempt(address) {
            Stranger::Exempt
        } else {
            let origin = Origin::of(address);
            if self.connects.check_key(&origin).is_err() {
                return Err(CloseCode::RATE_LIMITED);
            }
            Stranger::Counted(origin)
        };
        let mut counts = self.counts.lock();
        let limits = &self.limits;
        if counts.connections >= limits.connections_max
            || counts.unauthenticated >= limits.unauthenticated_max
        {
            return Err(CloseCode::TOO_MANY_CONNECTIONS);
        }
        if let Stranger::Counted(origin) = stranger {
            let mine = counts.unauthenticated_by_origin.entry(origin).or_insert(0);
            if *mine >= limits.unauthenticated_per_address_max {
                return Err(CloseCode::TOO_MANY_CONNECTIONS);
            }
            *mine += 1;
        }
        counts.connections += 1;
        counts.unauthenticated += 1;
        drop(counts);
        Ok(Place {
            admission: Arc::clone(self),
            stranger: Some(stranger),
        })
    }

    /// Whether `address` may have one more signature checked.
    pub fn may_authenticate(&self, address: IpAddr) -> bool {
        self.is_exempt(address) || self.authentications.check_key(&Origin::of(address)).is_ok()
    }

    /// Forgets the rates of addresses that have been quiet, or scanning would fill memory.
    pub fn forget_quiet(&self) {
        for limiter in [&self.connects, &self.authentications] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    /// Connections at this moment.
    pub fn connections(&self) -> u32 {
        self.counts.lock().connections
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        self.limits.loopback_exempt && address.to_canonical().is_loopback()
    }
}

impl Place {
    /// The peer is no stranger any more.
    pub fn authenticated(&mut self) {
        let mut counts = self.admission.counts.lock();
        counts.leave(self.stranger.take());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock();
        counts.leave(self.stranger.take());
        counts.connections -= 1;
    }
}

impl Counts {
    fn leave(&mut self, stranger: Option<Stranger>) {
        let Some(stranger) = stranger else { return };
        self.unauthenticated -= 1;
        let Stranger::Counted(origin) = stranger else {
            return;
        };
        if let Some(mine) = self.unauthenticated_by_origin.get_mut(&origin) {
            *mine -= 1;
            if *mine == 0 {
                self.unauthenticated_by_origin.remove(&origin);
            }
        }
    }
}

fn limiter<K: Clone + Hash + Eq>(per_second: NonZeroU32) -> DefaultKeyedRateLimiter<K> {
    RateLimiter::keyed(Quota::per_second(per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(change: impl FnOnce(&mut Limits)) -> Arc<Admission> {
        let mut limits = Limits::default();
        change(&mut limits);
        Arc::new(Admission::new(&limits))
    }

    fn per_second(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn strangers_of_one_address_cannot_take_all_places() {
        let admission = admission(|limits| {
            limits.unauthenticated_per_address_max = 3;
            limits.connections_per_second = per_second(100);
        });
        let mut places: Vec<_> = (0..3)
            .map(|_| admission.connect(ip("10.0.0.1")).unwrap())
            .collect();
        let refusal = admission.connect(ip("10.0.0.1")).unwrap_err();
        assert_eq!(refusal, CloseCode::TOO_MANY_CONNECTIONS);
        assert!(admission.connect(ip("10.0.0.2")).is_ok());
        places[0].authenticated();
        let fourth = admission.connect(ip("10.0.0.1"));
        assert!(fourth.is_ok(), "an authenticated peer is no stranger");
        drop(places);
        drop(fourth);
        assert_eq!(admission.connections(), 0);
        assert!(admission.counts.lock().unauthenticated_by_origin.is_empty());
    }

    #[test]
    fn an_ipv6_subscriber_has_one_budget_for_its_whole_prefix() {
        let admission = admission(|limits| limits.connections_per_second = per_second(2));
        assert!(admission.connect(ip("2001:db8:0:1::1")).is_ok());
        assert!(admission.connect(ip("2001:db8:0:1:ffff::2")).is_ok());
        let refusal = admission.connect(ip("2001:db8:0:1::3")).unwrap_err();
        assert_eq!(refusal, CloseCode::RATE_LIMITED);
        assert!(admission.connect(ip("2001:db8:0:2::1")).is_ok());
    }

    #[test]
    fn ipv4_in_ipv6_clothes_is_ipv4() {
        assert_eq!(
            Origin::of(ip("::ffff:10.0.0.1")),
            Origin::of(ip("10.0.0.1"))
        );
        assert_ne!(Origin::of(ip("::a00:1")), Origin::of(ip("10.0.0.1")));
    }

    #[test]
    fn loopback_is_exempt_only_when_configured() {
        for (exempt, refused) in [(false, 1), (true, 0)] {
            let admission = admission(|limits| {
                limits.loopback_exempt = exempt;
                limits.connections_per_second = per_second(5);
            });
            let results: Vec<_> = (0..6).map(|_| admission.connect(ip("127.0.0.1"))).collect();
            assert_eq!(results.iter().filter(|one| one.is_err()).count(), refused);
        }
    }

    #[test]
    fn all_strangers_together_are_bounded() {
        let admission = admission(|limits| limits.unauthenticated_max = 2);
        let first = admission.connect(ip("10.0.0.1")).unwrap();
        let _second = admission.connect(ip("10.0.0.2")).unwrap();
        assert!(admission.connect(ip("10.0.0.3")).is_err());
        drop(first);
        assert!(admission.connect(ip("10.0.0.3")).is_ok());
    }

    #[test]
    fn signature_checks_are_rated_per_address() {
        let admission = admission(|limits| limits.authentications_per_second = per_second(2));
        let passed = (0..10)
            .filter(|_| admission.may_authenticate(ip("10.0.0.1")))
            .count();
        assert_eq!(passed, 2);
        assert!(admission.may_authenticate(ip("10.0.0.2")));
    }
}
