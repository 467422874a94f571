//! The people, keys and times that all vectors share.

use martlet_protocol::{Address, DeviceId, MessageId, Millis, Timestamp, UserId};

/// One device with what it signs on its first and second connection, over plain TCP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Device {
    pub name: &'static str,
    pub address: Address,
    pub handle: &'static str,
    /// The Ed25519 private key is 32 times this byte.
    pub seed: u8,
    pub key: &'static str,
    /// REGISTER on the first connection; empty for a device that is added, not registered.
    pub register: &'static str,
    /// AUTH on the first and on the second connection.
    pub auth: [&'static str; 2],
}

const fn address(user: u64, device: u16) -> Address {
    Address {
        user: UserId(user),
        device: DeviceId(device),
    }
}

pub(crate) const ALICE: Device = Device {
    name: "alice.1",
    address: address(0x0a11_ce00_0000_0001, 1),
    handle: "alice",
    seed: 1,
    key: "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
    register: concat!(
        "6697c4a2b0892a436873287f13a7bf3c51a92f082da0bd7103b79728758fb8ec",
        "39640aa5e5c95cb0bbece80d8c8ad9aba3b7dc137f9aa73589c982abe1a4310a",
    ),
    auth: [
        concat!(
            "22e4c052dce635552b57a32610923dd4ece533b4ff3986fcc3ba9cffd812a1cd",
            "766e7aa48eb5fe0e6df2e09a74b8b4a9e038acb047aa97c5dcfcad9eded12400",
        ),
        concat!(
            "e7eb3da4e5ed92b23be7a3ddb646d3e91500d4f94f2b1bea558b798d72b3404a",
            "98b95681025ebc2b7f99fee180f733e488bfd27e26976eef183de13eabd6ea01",
        ),
    ],
};

pub(crate) const ALICE_2: Device = Device {
    name: "alice.2",
    address: address(0x0a11_ce00_0000_0001, 2),
    handle: "alice",
    seed: 3,
    key: "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1",
    register: "",
    auth: [
        concat!(
            "9777d8e95ca3860b9a6843a47752dee3b3f5a7f0767f281a846fb0342253308a",
            "b89b2348fc4fc1a65d090a70e04d9dedb0cff33604868e5526e074ebedd4fa01",
        ),
        concat!(
            "d5cc7f29f43e7fe9516ffa2b200d36c4222afa533e590bcf3fae1d760fff1309",
            "a11fe55b4ad368df65f76b23fceecb344bcc21fd2362c7003033ea24db2d3e09",
        ),
    ],
};

/// The device with which alice begins anew after she has lost the others.
pub(crate) const LAST_ALICE: Device = Device {
    name: "alice.3",
    address: address(0x0a11_ce00_0000_0001, 3),
    handle: "alice",
    seed: 5,
    key: "6e7a1cdd29b0b78fd13af4c5598feff4ef2a97166e3ca6f2e4fbfccd80505bf1",
    register: concat!(
        "77b7cfadb319f9a2fdad50363f06d1f673c5ffe7ab80e444c4959f34bc1194a4",
        "f5a62dceba5c74170dedbaab3facc7ef609687fbde6ae01cee9af13909eade0f",
    ),
    auth: [
        concat!(
            "aebd7bf64e333370c7c3948c45490f1ec7f0c49ac69b9781a7034b9658cee8ec",
            "6f0c29a0c1db54f786cb8d14f4e9549236179639e0591ec274f640a1b2fdea0a",
        ),
        concat!(
            "2f51af14c671878952ca41500c971c15d54a834436439d8ffec93a49216ca76d",
            "4a0975bb1532eb68533d8de7f14607e89cbe29496d256efaff6d5f6317fc0106",
        ),
    ],
};

/// Bob's key asks for alice's handle, on a first connection.
pub(crate) const BOB_AS_ALICE: &str = concat!(
    "c037ddf79c474e92a6a2175583a60e1341143302d1febe87ac4758afa140ec11",
    "6f5269f9c9d4d5cdfdc3f9dac63ff2d934fa83524b36929e4534f31642e8d709",
);

pub(crate) const BOB: Device = Device {
    name: "bob.1",
    address: address(0x0b0b_0000_0000_0002, 1),
    handle: "bob",
    seed: 2,
    key: "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394",
    register: concat!(
        "5c2707704bfd442d6825968238dce6edada92a0916ffb6a4acf949d9b9459441",
        "1f8371bbb32c642a538a91a352b2786cfabea7ac56634c7e0d9ea90df8d0f606",
    ),
    auth: [
        concat!(
            "f898703fc9d288b053eb136f8a1ba5fd10226ca7040f776a86c580444b1631a2",
            "2fd55899717db5a520ed592ef61a4b04615eef0ae802d72df254252210134e00",
        ),
        concat!(
            "295a67d17f104762bbc69ab5f13216eed4918b1e17c9c0f84cda3f260fbe8480",
            "17e14bef129d731aa15cdb87095735f64349584dc75580ad2cd7a557117f6002",
        ),
    ],
};

/// ALICE's AUTH on her first connection if it were TLS with the binding 32 times 0xB1.
pub(crate) const ALICE_AUTH_TLS: &str = concat!(
    "f4a4096e50a97844a0bd47c591fea55d66a57c960792a57461c0d746018005dc",
    "aab2f132b1ae40458f029985e8496f616c478e670eafa1c01148d35cd4b3b40d",
);

/// 2027-01-15T08:00:00Z, the server's clock at the start of every transcript.
pub(crate) const NOW: Millis = Millis(1_800_000_000_000);
/// The epoch of every stream, until one is restored.
pub(crate) const EPOCH: u64 = 0x00e0_0c4a_11ce_0001;

/// The server's nonce on the connection with this number, from 1.
pub(crate) fn nonce(connection: usize) -> [u8; 32] {
    [0xa0 + connection as u8; 32]
}

/// The id of the n-th message, made n milliseconds after the start.
pub(crate) fn message_id(n: u8) -> MessageId {
    MessageId::new(NOW.plus(u64::from(n)), [n; 10])
}

/// The timestamp of the n-th message, half a millisecond after it was made.
pub(crate) fn timestamp(n: u8) -> Timestamp {
    Timestamp(NOW.plus(u64::from(n)).timestamp().0 + 500)
}

/// The bytes that hexadecimal `text` stands for.
pub(crate) fn unhex<const N: usize>(text: &str) -> [u8; N] {
    std::array::from_fn(|index| {
        u8::from_str_radix(&text[2 * index..2 * index + 2], 16).expect("a constant of this file")
    })
}
