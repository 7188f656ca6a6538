//! Statements about the log that can be kept elsewhere and, with a key, proven: manifests, tombstones, checkpoints.
//!
//! A statement is one line of JSON, `{"statement":{...},"signature":"<hex>"}`. What is signed (Ed25519) is the statement to the byte,
//! as it stands in the line; its member `type` keeps a statement of one sort from being taken for one of another. The public key stands
//! inside, so that a line can be checked by itself; whether that key is to be trusted only a copy of it from elsewhere can tell.

use super::chain::Hash;
use ed25519_dalek::{
    Signature, Signer as _, SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey, DecodePublicKey},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Hexadecimal digits of a key's id.
const ID_DIGITS: usize = 16;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("the key `{}` cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others may read the private key, or its group may change it.
    #[error("the key `{}` can be read by others (mode {mode:04o}); give it mode 0600", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds something else.
    #[error("`{}` does not hold {wanted}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
}

/// Signs statements, where there is a key.
#[derive(Clone)]
pub(crate) struct Signer {
    key: Option<SigningKey>,
    epoch: u32,
}

/// Who has signed: stands inside the statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyNote {
    /// The first digits of the SHA-256 of the public key.
    pub(crate) id: String,
    /// Goes up by one whenever a log goes on with another key.
    pub(crate) epoch: u32,
    #[serde(with = "hex")]
    public: [u8; 32],
}

/// A statement as it is written: its line, and what it says.
#[derive(Debug, Clone)]
pub(crate) struct Statement<T> {
    /// What it says.
    pub(crate) says: T,
    /// Who signed it. The signature has been checked against the key that stands inside.
    pub(crate) key: Option<KeyNote>,
    /// The SHA-256 of the line.
    pub(crate) hash: Hash,
}

/// What a statement is about.
pub(crate) trait Says: Serialize + DeserializeOwned {
    /// The member `type`.
    const TYPE: &'static str;
}

/// Why a line is no statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StatementError {
    #[error("it is malformed")]
    Malformed,
    #[error("it is a statement of another type")]
    OtherType,
    #[error("its signature does not fit what it says")]
    Signature,
}

#[derive(Serialize, Deserialize)]
struct Body<T> {
    r#type: String,
    #[serde(flatten)]
    says: T,
    key: Option<KeyNote>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    statement: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
}

impl Signer {
    /// Signs nothing.
    pub(crate) const fn none() -> Self {
        Self { key: None, epoch: 0 }
    }

    /// Reads a private key: PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` writes it. A file that others may read is refused;
    /// its group may, since that is how Kubernetes gives a Secret to a process that is not root.
    pub(crate) fn load(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Read { path: path.to_owned(), source };
        let mode = fs::metadata(path).map_err(failed)?.mode() & 0o7777;
        if mode & 0o027 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode });
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let wanted = "an Ed25519 private key in PEM (`openssl genpkey -algorithm ed25519`)";
        let key =
            SigningKey::from_pkcs8_pem(&text).map_err(|_| KeyError::Malformed { path: path.to_owned(), wanted })?;
        Ok(Self { key: Some(key), epoch: 1 })
    }

    /// Goes on after what another start has signed: with another key a new epoch begins.
    pub(crate) fn go_on_after(&mut self, last: Option<&KeyNote>) {
        if let (Some(last), Some(own)) = (last, self.note()) {
            self.epoch = if last.id == own.id { last.epoch } else { last.epoch.saturating_add(1) };
        }
    }

    /// Who signs, and in which epoch; `None` where nobody does.
    pub(crate) fn note(&self) -> Option<KeyNote> {
        let public = self.key.as_ref()?.verifying_key().to_bytes();
        Some(KeyNote { id: key_id(&public), epoch: self.epoch, public })
    }

    /// Writes a statement: its line, without the end of the line.
    pub(crate) fn state<T: Says>(&self, says: &T) -> String {
        let body = Body { r#type: T::TYPE.to_owned(), says, key: self.note() };
        // Numbers and texts only: nothing of it can fail.
        let statement = serde_json::value::to_raw_value(&body).unwrap_or_default();
        let signature = self.key.as_ref().map(|key| to_hex(&key.sign(statement.get().as_bytes()).to_bytes()));
        serde_json::to_string(&Line { statement, signature }).unwrap_or_default()
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the key.
        f.debug_struct("Signer").field("key", &self.note().map(|note| note.id)).finish_non_exhaustive()
    }
}

impl<T: Says> Statement<T> {
    /// Reads a line, and checks its signature where it has one. A statement that names a key and is not signed is malformed.
    pub(crate) fn read(line: &str) -> Result<Self, StatementError> {
        let line = line.trim_end();
        let parsed: Line = serde_json::from_str(line).map_err(|_| StatementError::Malformed)?;
        let text = parsed.statement.get();
        let body: Body<T> = serde_json::from_str(text).map_err(|_| StatementError::Malformed)?;
        if body.r#type != T::TYPE {
            return Err(StatementError::OtherType);
        }
        match (&body.key, &parsed.signature) {
            (None, None) => {}
            (Some(key), Some(signature)) => {
                check(key, text.as_bytes(), signature).ok_or(StatementError::Signature)?;
            }
            _ => return Err(StatementError::Signature),
        }
        Ok(Self { says: body.says, key: body.key, hash: Sha256::digest(line.as_bytes()).into() })
    }
}

fn check(key: &KeyNote, text: &[u8], signature: &str) -> Option<()> {
    let mut bytes = [0; 64];
    from_hex(signature, &mut bytes)?;
    let public = VerifyingKey::from_bytes(&key.public).ok()?;
    public.verify_strict(text, &Signature::from_bytes(&bytes)).ok()?;
    (key.id == key_id(&key.public)).then_some(())
}

/// Public keys that are trusted.
#[derive(Debug, Default)]
pub(crate) struct PublicKeys(Vec<[u8; 32]>);

impl PublicKeys {
    /// Reads a file with one or more public keys in PEM, as `openssl pkey -pubout` writes them.
    pub(crate) fn load(path: &Path) -> Result<Self, KeyError> {
        let text = fs::read_to_string(path).map_err(|source| KeyError::Read { path: path.to_owned(), source })?;
        let wanted = "Ed25519 public keys in PEM (`openssl pkey -pubout`)";
        let malformed = || KeyError::Malformed { path: path.to_owned(), wanted };
        let end = "-----END PUBLIC KEY-----";
        let mut keys = Vec::new();
        for part in text.split_inclusive(end).filter(|part| !part.trim().is_empty()) {
            let key = VerifyingKey::from_public_key_pem(part.trim_start()).map_err(|_| malformed())?;
            keys.push(key.to_bytes());
        }
        if keys.is_empty() { Err(malformed()) } else { Ok(Self(keys)) }
    }

    /// Whether this is one of them.
    pub(crate) fn has(&self, key: &KeyNote) -> bool {
        self.0.contains(&key.public)
    }
}

fn key_id(public: &[u8; 32]) -> String {
    let mut id = to_hex(&Sha256::digest(public));
    id.truncate(ID_DIGITS);
    id
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads exactly as many bytes as there is room for.
pub(crate) fn from_hex(text: &str, out: &mut [u8]) -> Option<()> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != out.len() {
        return None;
    }
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(())
}

/// 32 bytes as hexadecimal digits, for serde.
pub(crate) mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::to_hex(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        super::from_hex(&text, &mut bytes).ok_or_else(|| D::Error::custom("64 hexadecimal digits are wanted"))?;
        Ok(bytes)
    }
}

/// A time in RFC 3339, for serde.
pub(crate) mod time {
    use crate::model::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse(&text).ok_or_else(|| D::Error::custom("a time in RFC 3339 is wanted"))
    }
}
