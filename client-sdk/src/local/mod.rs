//! The local database: what a device must not forget, in one SQLite file.
//!
//! | table | what | written |
//! |---|---|---|
//! | `vault` | which key opens the sealed columns | once |
//! | `identity` | who this home is, its key, its place in the stream | with every batch |
//! | `own_keys` | the account's and the device's keys | as they change |
//! | `drafts`, `joining` | the own list on its way; the link to wait for | until it is there |
//! | `lists`, `list_log` | the devices of accounts, each version seen | as they change |
//! | `claims`, `former` | what others say of lists; devices that are gone | as it is heard |
//! | `sessions`, `chains` | ratchets, and the numbering of messages | with every message |
//! | `contacts` | user id ↔ handle, and how far each conversation is | as they appear |
//! | `messages` | every message, own and received | once, then its state and changes |
//! | `reactions` | what people think of messages | as they come |
//! | `waiting` | changes whose message has not come | until it has |
//! | `outbox`, `outbox_parts` | what has no answer, in the bytes that retries repeat | until then |
//! | `parked` | messages whose author's list is not known yet | until it is |
//! | `repairs` | messages that could not be opened | until they came again |
//! | `excuses`, `holes` | what may be missing or come again | with gaps |
//! | `syncs` | histories on their way to new devices | until they are there |
//! | `facts`, `watermarks` | what the recipient's devices have said | with receipts |
//! | `notices` | events that the application has not taken | until it takes them |
//! | `reads` | READs that the server may not have | until it has them |
//! | `relations`, `people` | what others are to the account, and may know | as they change |
//! | `groups`, `group_members`, `group_log` | groups, each record verified | as they change |
//! | `group_drafts` | what this home wants to change of them | until the server has answered |
//! | `group_entries` | what of them waits for a list or a key | until it is there |
//! | `group_own_keys`, `group_shares` | this device's sender keys, who has them | with messages |
//! | `group_keys`, `group_chains` | the others' sender keys, the numbering | with messages |
//! | `group_claims`, `group_search` | what the server is to be asked about groups | until it is |
//!
//! Everything happens in transactions ([`Db::begin`]); a transaction that is dropped never was.
//!
//! Keys, ratchets, chains and the contents of messages are sealed
//! ([`Vault`](crate::crypto::store_key::Vault)): a copy of the file says who wrote to whom and
//! when, and not what.

mod breaker;
mod chains;
mod changes;
mod contacts;
mod db;
mod excuses;
mod group_drafts;
mod group_entries;
mod group_keys;
mod group_members;
mod group_messages;
mod groups;
mod history;
mod home;
mod identity;
mod joining;
mod lists;
mod lives;
mod messages;
mod notices;
mod outbox;
mod own_keys;
mod parked;
mod people;
mod reads;
mod receipts;
mod relations;
mod repairs;
mod schema;
mod sessions;
mod syncs;
mod telling;
mod vault;

pub use breaker::Breaker;
pub use chains::ChainKey;
pub use changes::{Order, Target, Waiting};
pub use contacts::{Contact, ContactId, Learned, group_of_peer, group_peer};
pub use db::{Db, Tx};
pub use excuses::HoleScope;
pub use group_drafts::GroupDraft;
pub use group_entries::{ENTRIES_MAX, Entry};
pub use group_keys::{OwnKeyRow, Share};
pub use group_members::MemberRow;
pub use groups::{GroupRow, Recorded};
pub use home::Home;
pub use identity::{IdentityRow, Standing, StreamPlace};
pub use joining::Joining;
pub use lists::{Claim, Former, ListRow};
pub use messages::{Incoming, MessageRow, Outgoing, Seq};
pub use notices::{Changed, GroupNotice, Notice, NoticeId, PeopleNotice};
pub use outbox::{Control, Made, Outbound, OutboxEntry, PartRow, Queued, Slot};
pub use own_keys::{Draft, OwnKeys, Stage};
pub use parked::{Parcel, ParkedId};
pub use people::PeopleRow;
pub use reads::PendingRead;
pub use relations::RelationRow;
pub use repairs::Repair;
pub use syncs::{Below, Remembered, Sync};
pub use vault::Secret;
