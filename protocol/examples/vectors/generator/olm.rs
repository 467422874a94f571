//! A session between alice's and bob's phones. Its keys were drawn by chance, so it is recorded:
//! vodozemac, with the keys of the other vectors, encrypted four payloads of `payloads.json`.

use super::contents;
use super::json::Json;
use super::keys::private;
use super::lists::{BOBS_PHONE, PHONE};
use super::people::unhex;

struct Recorded {
    name: &'static str,
    from: &'static str,
    olm_type: u8,
    olm: &'static str,
    /// Which payload of `payloads.json` is in it.
    payload: usize,
}

/// The private half of bob's first ratchet key, T(1) of SPEC.md §23.
const RATCHET: &str = "1c13938dd81484d8787234f49523a923a0955d84471bc0339b729738c4ea7c3a";

const MESSAGES: &[Recorded] = &[
    Recorded {
        name: "the first message, which begins the session",
        from: "alice.1",
        olm_type: 0,
        olm: concat!(
            "030a2000f81ab0eb0e18ddb5e247d38f25c7a352c39fc77a74cb3f739d309f69ee48781220a6",
            "00451843542d034d856dbc764477d759626e39cbe589290b831ecbe20aca0c1a207a1a4e709b",
            "f085ac494aba0469b9b1eda0ab1f78b16aabb79ffeda90623e852222d001030a200a4c57b45c",
            "e55dcf39722cceba766ec21230f3608d784c46a811e618943ad900100022a001edd16ffa0ae1",
            "68a1f8487f534ba384089233d0fb5d32c9b9a950d2cafaf0f7f3e98584ca18e5262359551049",
            "af3af59c0a68c6821d7df1ee122aa45c2bc18b1fe25ccdf4b29af7254ae68d53e83e7c842f81",
            "a7737defac0d0e7adda9019e518ac6199830713effeb3e05d65ea46ce532f2bcbf830c2ed427",
            "5445314eb6ef05545b4945003c9ee018c9995f6bfc398fdd3196e1fa3700a64bd9fa9c8a51c5",
            "6df848225fec2d40a387",
        ),
        payload: 0,
    },
    Recorded {
        name: "the second one, before an answer",
        from: "alice.1",
        olm_type: 0,
        olm: concat!(
            "030a2000f81ab0eb0e18ddb5e247d38f25c7a352c39fc77a74cb3f739d309f69ee48781220a6",
            "00451843542d034d856dbc764477d759626e39cbe589290b831ecbe20aca0c1a207a1a4e709b",
            "f085ac494aba0469b9b1eda0ab1f78b16aabb79ffeda90623e8522229002030a200a4c57b45c",
            "e55dcf39722cceba766ec21230f3608d784c46a811e618943ad900100122e001e14a3210f9be",
            "18f03783f5fa0f20f046302efe81a320b52560921e01e915f4bb23266aa4a00b95c9ff49011a",
            "3904719e8dd4f4fe74e47c99dc3c81c51573a7c0e35b9c332aba3d9537d6889a18e8a7023f70",
            "aa660f7ec20ac35c79922ee7d6ebab683104fa7c2546ab51308ed84ae86a9a940b6e6f975d62",
            "e774cb07490e2f8716be66f8bb94ac1349641fe0d935411963c4e47f1c8666b3990dd5f422f4",
            "3b95f1074e854acce5c48cf2208f6d3590b0a479d365152720e0f0aaee18bbded72d59dcdbc5",
            "86db1b8f73d26cc8f98ee9719b3685cb628b8559aef164673814373dfda43cb5de3dd91f",
        ),
        payload: 1,
    },
    Recorded {
        name: "bob's answer, with his first ratchet key",
        from: "bob.1",
        olm_type: 1,
        olm: concat!(
            "030a20a4807a8b242c62f3dd5fd9321780bde43867f774210bd9eb810c7c9044156d70100022",
            "c001e4a96e7c0ae22dab8ca3b90df6aaaba5abc04829e43c3ce6f73e672f2f99fd987e23f05a",
            "da8b606abf032237d75a8dc001fb79f061687b083f866158a3b8cd13946daacb13b9fa18068b",
            "58302b9c3dff3835fc10a9aba566a12c6fde16334843735855bc56ed587f16db3a0569f904f9",
            "9e45e3e911d17e2f7da36e0662c37099d2ac73d83c69f9a99110a539b4db7fead256dafa409d",
            "8ab3a9b3df4f7d717eb75efe5349a1c3b393f1ddd04758ae957e8cb7968233cff95b7a75e243",
            "2f38f3f596451d115ef2a9b3",
        ),
        payload: 3,
    },
    Recorded {
        name: "alice's next one, with her second ratchet key",
        from: "alice.1",
        olm_type: 1,
        olm: concat!(
            "030a209ac90784a64eb48a3dd737d813e4d7ac6cab3fa4f21ab5e6bf22123fa5495b2b100022",
            "c0010e89de5b56ded8600009797108dcb3c6bb0781cf551589e20f1b0836a0ba78de9a632c56",
            "4ff09c780c84d13b5f98dcd24f80527897d212f54349fac2cf10531ec939935794d49cb62bd9",
            "bd49c858f341943def2d0e1d48d90df00d7c9b28427cb43573bcce67f92f9c04a7759a85d6a9",
            "12858b936197f61fb2c7633126bf7412814eedc9af1c159404133ecd13bb062b62812a6ccdee",
            "f940a3003ded9a7b9b088112322e155d2679222c7593290cdb89207bd40982f9f3b5d2ec5aa7",
            "0027b9fa323b4e50897d5bd1",
        ),
        payload: 4,
    },
];

/// The part that the message with this index travels in.
pub(crate) fn part(index: usize) -> Vec<u8> {
    let message = &MESSAGES[index];
    let olm = message.olm.as_bytes().chunks(2);
    let olm = olm.map(|digits| unhex::<1>(&String::from_utf8_lossy(digits))[0]);
    [2, message.olm_type].into_iter().chain(olm).collect()
}

/// `olm.json`: all that bob's phone needs to open what alice's sent.
pub(crate) fn session() -> Json {
    let payloads = contents::payload_bytes();
    let list = MESSAGES.iter().enumerate().map(|(index, message)| {
        let payload = &payloads[message.payload];
        Json::object([
            ("name", Json::text(message.name)),
            ("from", Json::text(message.from)),
            ("part", Json::hex(&part(index))),
            ("payload", Json::hex(payload)),
            (
                "alice_identity_private_key",
                Json::hex(&private(PHONE.identity)),
            ),
            (
                "bob_identity_private_key",
                Json::hex(&private(BOBS_PHONE.identity)),
            ),
            (
                "bob_prekey_private_key",
                Json::hex(&contents::prekey_private(1)),
            ),
            ("bob_ratchet_private_key", Json::hex(&unhex::<32>(RATCHET))),
        ])
    });
    super::cases(
        "Four messages of one Olm session, in their order.",
        list.collect(),
    )
}
