//! Registration tokens: the operator's JWT vouches for a handle.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use martlet_protocol::NackCode;
use serde::Deserialize;

use crate::config::ConfigError;

/// Checks tokens against the operator's public keys.
///
/// The algorithm comes from the key, never from the token: a token that says HS256 cannot turn a
/// public key into a shared secret, and `none` matches no key.
#[derive(Debug)]
pub struct Verifier {
    keys: BTreeMap<String, Key>,
    audience: String,
}

#[derive(Debug)]
struct Key {
    algorithm: Algorithm,
    key: DecodingKey,
}

/// What a token vouches for, beside the handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// The account that the handle may have is given to the bearer: all its devices are lost.
    pub reset: bool,
}

/// Why a token is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefused {
    /// Its time is over.
    Expired,
    /// It names no key of the set.
    KeyUnknown,
    /// It is not a token, or it is signed by another key or algorithm than the one it names.
    SignatureInvalid,
    /// It is for another service, another handle, not valid yet, or a claim is missing.
    VouchesForSomethingElse,
}

impl TokenRefused {
    /// What the client is told.
    pub fn nack_code(self) -> NackCode {
        match self {
            Self::Expired => NackCode::TOKEN_EXPIRED,
            Self::KeyUnknown | Self::SignatureInvalid | Self::VouchesForSomethingElse => {
                NackCode::TOKEN_INVALID
            }
        }
    }
}

impl Verifier {
    /// Reads the key set.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no key, a secret, or a key that cannot be used.
    pub fn read(path: &Path, audience: &str) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, audience).map_err(|message| ConfigError::KeySetUnusable {
            path: path.to_owned(),
            message,
        })
    }

    fn parse(text: &str, audience: &str) -> Result<Self, String> {
        let set: JwkSet = serde_json::from_str(text)
            .map_err(|error| format!("not a JSON Web Key Set: {error}"))?;
        let mut keys = BTreeMap::new();
        for (index, jwk) in set.keys.iter().enumerate() {
            let (id, key) = usable(jwk).map_err(|sin| format!("key {index}: {sin}"))?;
            if keys.insert(id.clone(), key).is_some() {
                return Err(format!("two keys have the kid {id:?}: rename one"));
            }
        }
        if keys.is_empty() {
            return Err("there is no key in it: add the operator's public key".into());
        }
        Ok(Self {
            keys,
            audience: audience.to_owned(),
        })
    }

    /// What `token` allows its bearer to do with `handle` now: at least to register it.
    ///
    /// # Errors
    /// When it allows nothing.
    pub fn check(&self, token: &[u8], handle: &str) -> Result<Voucher, TokenRefused> {
        let header =
            jsonwebtoken::decode_header(token).map_err(|_| TokenRefused::SignatureInvalid)?;
        let key = header
            .kid
            .and_then(|id| self.keys.get(&id))
            .ok_or(TokenRefused::KeyUnknown)?;

        let mut validation = Validation::new(key.algorithm);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        validation.set_audience(&[&self.audience]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_S;
        validation.sub = Some(handle.to_owned());
        match jsonwebtoken::decode::<Claims>(token, &key.key, &validation) {
            Ok(data) if data.claims.sub == handle => Ok(Voucher {
                reset: data.claims.reset,
            }),
            Ok(_) => Err(TokenRefused::VouchesForSomethingElse),
            Err(error) => Err(match error.kind() {
                ErrorKind::ExpiredSignature => TokenRefused::Expired,
                ErrorKind::MissingRequiredClaim(_)
                | ErrorKind::InvalidClaimFormat(_)
                | ErrorKind::InvalidAudience
                | ErrorKind::InvalidSubject
                | ErrorKind::ImmatureSignature => TokenRefused::VouchesForSomethingElse,
                _ => TokenRefused::SignatureInvalid,
            }),
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    reset: bool,
}

/// The key's id and the one algorithm that it may be used with.
fn usable(jwk: &Jwk) -> Result<(String, Key), &'static str> {
    let id = jwk
        .common
        .key_id
        .clone()
        .ok_or("it has no kid: give it one, tokens name it in their header")?;
    if !matches!(
        jwk.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    ) {
        return Err("its use is not sig");
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::OctetKey(_) => {
            return Err("it is a shared secret: whoever can check with it can also forge");
        }
        _ => return Err("only Ed25519 (EdDSA), P-256 (ES256) and RSA (RS256) keys are accepted"),
    };
    if jwk
        .common
        .key_algorithm
        .is_some_and(|said| said != algorithm.into())
    {
        return Err("its alg is not EdDSA, ES256 or RS256, or does not fit its kty");
    }
    let key = DecodingKey::from_jwk(jwk).map_err(|_| "its parameters are not valid")?;
    // A key that was cut off would be noticed only by the first person who wants to register.
    let bytes = key.try_get_as_bytes().ok().map(<[u8]>::len);
    match (algorithm, bytes) {
        (Algorithm::EdDSA, Some(bytes)) if bytes != ED25519_BYTES => Err("its x is not 32 bytes"),
        (Algorithm::ES256, Some(bytes)) if bytes != P256_POINT_BYTES => {
            Err("its x and y are not 32 bytes each")
        }
        _ => Ok((id, Key { algorithm, key })),
    }
}

/// An Ed25519 public key.
const ED25519_BYTES: usize = 32;

/// An uncompressed point of P-256: a tag and two coordinates.
const P256_POINT_BYTES: usize = 65;

/// How far the operator's clock may be off, in seconds.
const LEEWAY_S: u64 = 30;

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    };
    use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
    use serde_json::{Value, json};

    use super::*;

    const AUDIENCE: &str = "chat.example.org";
    const REGISTER: Result<Voucher, TokenRefused> = Ok(Voucher { reset: false });

    struct Operator {
        algorithm: Algorithm,
        key: EncodingKey,
        jwk: Value,
    }

    impl Operator {
        fn ed25519(kid: &str) -> Self {
            let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
            let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
            let x = base64url(pair.public_key().as_ref());
            Self {
                algorithm: Algorithm::EdDSA,
                key: EncodingKey::from_ed_der(pkcs8.as_ref()),
                jwk: json!({ "kid": kid, "kty": "OKP", "crv": "Ed25519", "x": x }),
            }
        }

        fn p256(kid: &str) -> Self {
            let scheme = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(scheme, &SystemRandom::new()).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(scheme, pkcs8.as_ref()).unwrap();
            // An uncompressed point: a tag, then both coordinates.
            let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
            let (x, y) = (base64url(x), base64url(y));
            Self {
                algorithm: Algorithm::ES256,
                key: EncodingKey::from_ec_der(pkcs8.as_ref()),
                jwk: json!({ "kid": kid, "kty": "EC", "crv": "P-256", "x": x, "y": y }),
            }
        }

        fn rsa(kid: &str) -> Self {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
            let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
            // PKCS #1 is what PKCS #8 has behind its header.
            let key = EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..]);
            let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap();
            jwk.common.key_id = Some(kid.into());
            Self {
                algorithm: Algorithm::RS256,
                key,
                jwk: serde_json::to_value(jwk).unwrap(),
            }
        }

        fn sign(&self, kid: Option<&str>, claims: &Value) -> Vec<u8> {
            let mut header = Header::new(self.algorithm);
            header.kid = kid.map(str::to_owned);
            encode(&header, claims, &self.key).unwrap().into_bytes()
        }

        fn verifier(&self) -> Verifier {
            verifier(&[&self.jwk]).unwrap()
        }
    }

    fn base64url(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        bytes
            .chunks(3)
            .flat_map(|chunk| {
                let bits = chunk
                    .iter()
                    .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
                    << (8 * (3 - chunk.len()));
                (0..=chunk.len()).map(move |at| DIGITS[(bits >> (18 - 6 * at)) as usize & 63])
            })
            .map(char::from)
            .collect()
    }

    fn verifier(keys: &[&Value]) -> Result<Verifier, String> {
        Verifier::parse(&json!({ "keys": keys }).to_string(), AUDIENCE)
    }

    fn claims(handle: &str) -> Value {
        json!({ "sub": handle, "aud": AUDIENCE, "exp": get_current_timestamp() + 600 })
    }

    #[test]
    fn the_operators_token_vouches_for_its_handle_with_each_algorithm() {
        let ed25519 = Operator::ed25519("a");
        let p256 = Operator::p256("b");
        let verifier = verifier(&[&ed25519.jwk, &p256.jwk]).unwrap();
        let token = ed25519.sign(Some("a"), &claims("alice"));
        assert_eq!(verifier.check(&token, "alice"), REGISTER);
        let token = p256.sign(Some("b"), &claims("alice"));
        assert_eq!(verifier.check(&token, "alice"), REGISTER);
    }

    #[test]
    fn an_rsa_key_is_accepted_for_rs256_only() {
        let mut operator = Operator::rsa("r");
        let token = operator.sign(Some("r"), &claims("alice"));
        assert_eq!(operator.verifier().check(&token, "alice"), REGISTER);
        let verifier = operator.verifier();
        operator.algorithm = Algorithm::PS256;
        let token = operator.sign(Some("r"), &claims("alice"));
        assert_eq!(
            verifier.check(&token, "alice"),
            Err(TokenRefused::SignatureInvalid)
        );
    }

    #[test]
    fn a_token_for_another_handle_audience_or_time_is_refused() {
        let operator = Operator::ed25519("a");
        let verifier = operator.verifier();
        let check = |changes: Value, handle: &str| {
            let mut claims = claims("alice");
            for (name, value) in changes.as_object().unwrap() {
                claims[name] = value.clone();
            }
            verifier.check(&operator.sign(Some("a"), &claims), handle)
        };
        let other = Err(TokenRefused::VouchesForSomethingElse);
        let now = get_current_timestamp();
        assert_eq!(check(json!({}), "alice"), REGISTER);
        assert_eq!(check(json!({}), "bob"), other);
        assert_eq!(check(json!({ "aud": "mail.example.org" }), "alice"), other);
        assert_eq!(check(json!({ "aud": null }), "alice"), other);
        assert_eq!(check(json!({ "nbf": now + 600 }), "alice"), other);
        assert_eq!(check(json!({ "exp": "soon" }), "alice"), other);
        assert_eq!(
            check(json!({ "exp": now - 600 }), "alice"),
            Err(TokenRefused::Expired)
        );
    }

    #[test]
    fn only_a_claim_of_its_own_allows_a_reset() {
        let operator = Operator::ed25519("a");
        let check = |reset: Value| {
            let mut claims = claims("alice");
            claims["reset"] = reset;
            let token = operator.sign(Some("a"), &claims);
            operator.verifier().check(&token, "alice")
        };
        assert_eq!(check(json!(true)), Ok(Voucher { reset: true }));
        assert_eq!(check(json!(false)), REGISTER);
        for not_a_bool in [json!("true"), json!(1), json!(null), json!(["true"])] {
            let refusal = Err(TokenRefused::SignatureInvalid);
            assert_eq!(check(not_a_bool.clone()), refusal, "{not_a_bool}");
        }
    }

    #[test]
    fn a_token_that_never_expires_is_refused() {
        let operator = Operator::ed25519("a");
        let claims = json!({ "sub": "alice", "aud": AUDIENCE });
        let token = operator.sign(Some("a"), &claims);
        let refusal = operator.verifier().check(&token, "alice");
        assert_eq!(refusal, Err(TokenRefused::VouchesForSomethingElse));
    }

    #[test]
    fn a_token_signed_by_somebody_else_is_forged() {
        let operator = Operator::ed25519("a");
        let forger = Operator::ed25519("a");
        let token = forger.sign(Some("a"), &claims("alice"));
        let refusal = operator.verifier().check(&token, "alice");
        assert_eq!(refusal, Err(TokenRefused::SignatureInvalid));
    }

    #[test]
    fn one_changed_bit_in_the_claims_is_noticed() {
        let operator = Operator::ed25519("a");
        let mut token = operator.sign(Some("a"), &claims("alice"));
        let dot = token.iter().position(|byte| *byte == b'.').unwrap();
        token[dot + 9] ^= 1;
        let refusal = operator.verifier().check(&token, "alice");
        assert!(refusal.is_err());
    }

    #[test]
    fn a_token_without_a_known_key_id_is_refused() {
        let operator = Operator::ed25519("a");
        let verifier = operator.verifier();
        let unknown = Err(TokenRefused::KeyUnknown);
        let token = operator.sign(None, &claims("alice"));
        assert_eq!(verifier.check(&token, "alice"), unknown);
        let token = operator.sign(Some("b"), &claims("alice"));
        assert_eq!(verifier.check(&token, "alice"), unknown);
    }

    #[test]
    fn the_public_key_is_no_shared_secret() {
        // The classic confusion: HS256 with the published key as its secret.
        let operator = Operator::p256("a");
        let pair = operator.jwk["x"].as_str().unwrap().as_bytes();
        for secret in [pair, operator.jwk.to_string().as_bytes()] {
            let mut header = Header::new(Algorithm::HS256);
            header.kid = Some("a".into());
            let token = encode(&header, &claims("alice"), &EncodingKey::from_secret(secret));
            let refusal = operator
                .verifier()
                .check(token.unwrap().as_bytes(), "alice");
            assert_eq!(refusal, Err(TokenRefused::SignatureInvalid));
        }
    }

    #[test]
    fn a_token_without_a_signature_is_refused() {
        let operator = Operator::ed25519("a");
        let signed = operator.sign(Some("a"), &claims("alice"));
        let signed = String::from_utf8(signed).unwrap();
        let body = signed.split('.').nth(1).unwrap();
        // {"alg":"none","typ":"JWT","kid":"a"}
        let header = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIiwia2lkIjoiYSJ9";
        for token in [
            format!("{header}.{body}."),
            format!("{header}.{body}"),
            String::new(),
            "..".into(),
        ] {
            let refusal = operator.verifier().check(token.as_bytes(), "alice");
            assert_eq!(refusal, Err(TokenRefused::SignatureInvalid), "{token}");
        }
    }

    #[test]
    fn a_key_set_with_a_secret_a_nameless_or_a_foreign_key_does_not_start() {
        let secret = json!({ "kty": "oct", "kid": "s", "k": "c2VjcmV0" });
        assert!(verifier(&[&secret]).unwrap_err().contains("shared secret"));
        let mut jwk = Operator::ed25519("a").jwk;
        assert!(verifier(&[&jwk, &jwk]).unwrap_err().contains("two keys"));
        jwk["kid"] = Value::Null;
        assert!(verifier(&[&jwk]).unwrap_err().contains("kid"));
        jwk["kid"] = json!("a");
        jwk["alg"] = json!("RS256");
        assert!(verifier(&[&jwk]).unwrap_err().contains("alg"));
        assert!(verifier(&[]).unwrap_err().contains("no key"));
        for mut cut in [Operator::ed25519("a").jwk, Operator::p256("a").jwk] {
            cut["x"] = json!("AAAA");
            assert!(verifier(&[&cut]).unwrap_err().contains("32 bytes"));
        }
        let not_json = Verifier::parse("<html>", AUDIENCE).unwrap_err();
        assert!(not_json.contains("JSON Web Key Set"));
    }
}
