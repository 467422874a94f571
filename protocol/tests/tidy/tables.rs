//! What the rules are about: the arrows between crates, the layers inside each, the pure places.

/// Each crate's directory and the workspace directories that its `[dependencies]` may name.
pub(crate) const CRATES: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("server/store", &["protocol"]),
    ("server/shard", &["server/store", "protocol"]),
    ("client-sdk", &["protocol"]),
    ("client-sdk/cli", &["client-sdk"]),
    ("server", &["server/shard", "server/store", "protocol"]),
    (
        "server/sim",
        &["server/shard", "server/store", "client-sdk", "protocol"],
    ),
    (
        "benches",
        &[
            "server",
            "server/shard",
            "server/store",
            "client-sdk",
            "protocol",
        ],
    ),
];

/// The package name of each crate in `CRATES`.
pub(crate) const NAMES: &[(&str, &str)] = &[
    ("protocol", "martlet-protocol"),
    ("server/store", "martlet-store"),
    ("server/shard", "martlet-shard"),
    ("client-sdk", "martlet-client"),
    ("client-sdk/cli", "martlet-cli"),
    ("server", "martlet-server"),
    ("server/sim", "martlet-sim"),
    ("benches", "martlet-bench"),
];

/// The packages from outside that a pure crate may name: bytes, checksums and hashes, no I/O.
pub(crate) const OUTSIDE: &[(&str, &[&str])] = &[
    ("protocol", &["bytes", "crc32fast"]),
    ("server/shard", &["bytes", "sha2", "twox-hash"]),
    ("server/sim", &["aws-lc-rs", "bytes"]),
];

/// The modules of each crate, top layer first: one may name only those below it, so no circle.
pub(crate) const MODULES: &[(&str, &[&str])] = &[
    (
        "protocol",
        &[
            "fuzzing",
            "codec",
            "frame",
            "crc",
            "header",
            "group_rules",
            "group_record",
            "device_list",
            "auth",
            "handle",
            "close",
            "nack",
            "state",
            "version",
            "wire",
            "error",
            "id",
            "kind",
            "limits",
        ],
    ),
    (
        "server/store",
        &[
            "rocks",
            "memory",
            "references",
            "view",
            "batch",
            "keys",
            "shard_id",
            "hash",
        ],
    ),
    (
        "client-sdk",
        &[
            "client", "net", "engine", "local", "content", "config", "error", "crypto", "keys",
            "address", "event",
        ],
    ),
    (
        "client-sdk/cli",
        &[
            "commands", "chat", "output", "home", "args", "ask", "peers", "ids", "over", "stop",
            "text",
        ],
    ),
    (
        "server",
        &[
            "serve",
            "verify",
            "restored",
            "args",
            "reactor",
            "gateway",
            "driver",
            "shared",
            "token",
            "admission",
            "logging",
            "error",
            "config",
            "mailbox",
            "overlay",
            "pipeline",
            "rate",
            "random",
            "clock",
        ],
    ),
];

/// Source trees that must stay free of I/O, threads and clocks, and the subtrees that may not be.
pub(crate) const PURE: &[(&str, &[&str])] = &[
    ("protocol/src", &[]),
    ("server/shard/src", &[]),
    ("server/sim/src", &["server/sim/src/main.rs"]),
    ("client-sdk/src/engine", &[]),
];

/// What a pure tree may not name.
pub(crate) const BANNED: &[&str] = &[
    "tokio",
    "Instant::now",
    "SystemTime",
    "rocksdb",
    "rusqlite",
    "getrandom",
];

/// The parts of `std` that a pure tree may not name.
pub(crate) const BANNED_STD: &[&str] = &["env", "fs", "net", "os", "process", "thread"];

/// Words that say the work was left unfinished. Written in halves: this file is checked too.
pub(crate) const LEFTOVERS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("HA", "CK:"),
    concat!("todo", "!("),
    concat!("unimple", "mented!("),
];

/// Hosts of package registries, and paths of the machines where this was written.
pub(crate) const PLACES: &[&str] = &[
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("npmjs", ".org"),
    concat!("npmjs", ".com"),
    concat!("proxy.", "golang.org"),
    concat!("rubygems", ".org"),
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp/", "plan"),
];

/// Longest line in characters; a line with a URL may be longer.
pub(crate) const COLUMNS_MAX: usize = 100;
/// Longest file before its inline test module, in lines.
pub(crate) const LINES_MAX: usize = 500;
