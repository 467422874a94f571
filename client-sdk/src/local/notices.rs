//! Events that the application has not taken: a durable queue between the engine and it.

use martlet_protocol::{DeviceId, Millis, NackCode, Position, Timestamp, UserId, frame};
use rusqlite::Row;
use rusqlite::types::Type;

use super::contacts::ContactId;
use super::db::{Tx, from_sql, to_sql};
use super::messages::{Seq, read_state, state_code};
use crate::error::StoreError;
use crate::event::{GapReason, MessageState, SecurityKind};

/// A notice's number; they are taken in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoticeId(pub i64);

/// An event that waits for the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A message came.
    Message(Seq),
    /// An own message reached a state.
    Receipt {
        /// Which message.
        seq: Seq,
        /// Which state.
        state: MessageState,
        /// When.
        at: Millis,
    },
    /// The contents of a message have changed.
    Changed {
        /// Which message.
        seq: Seq,
        /// What has changed.
        what: Changed,
    },
    /// An own message was refused for good.
    Failed {
        /// Which message.
        seq: Seq,
        /// Why.
        code: NackCode,
    },
    /// Positions of the stream are missing.
    Gap {
        /// The first one.
        from: Position,
        /// The last one.
        to: Position,
        /// Why.
        reason: GapReason,
    },
    /// Something has happened to a group.
    Group {
        /// Which group.
        contact: ContactId,
        /// What has happened.
        what: GroupNotice,
    },
    /// Something about people.
    People(PeopleNotice),
    /// Something that touches the security of a conversation.
    Security {
        /// The other account, or the own one.
        user: UserId,
        /// The device of it that is meant, if it is one.
        device: Option<DeviceId>,
        /// The group that it is about, if it is one.
        group: Option<ContactId>,
        /// What has happened.
        kind: SecurityKind,
    },
}

/// What another device, or the server, has done about people. Of what is told by the present state
/// one notice waits, the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeopleNotice {
    /// Another own device has read the conversation with this account up to then.
    Seen(UserId, Timestamp),
    /// Another own device has made something else of this account.
    Related(UserId),
    /// The server will not have it, for this reason.
    NotRelated(UserId, frame::Relation, NackCode),
    /// Another own device has changed the settings.
    Settings,
    /// The server will not have them, for this reason.
    NoSettings(NackCode),
}

/// What has happened to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupNotice {
    /// A record has changed it: the one of this version.
    Changed(u64),
    /// Entries are missing.
    Gap {
        /// The first place of its log.
        from: u64,
        /// The last one.
        to: u64,
        /// Why.
        reason: GapReason,
    },
    /// This account is no member any more, as the server says.
    Gone,
    /// This account has given it a new name.
    Named(UserId),
    /// What this home wanted to change will not be, for this reason.
    Refused(NackCode),
}

/// What has changed of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Its text.
    Text,
    /// The reactions to it.
    Reactions,
    /// It was deleted.
    Deleted,
    /// Its life is over.
    Expired,
}

impl Changed {
    const ALL: [Self; 4] = [Self::Text, Self::Reactions, Self::Deleted, Self::Expired];
}

const MESSAGE: u8 = 1;
const RECEIPT: u8 = 2;
const FAILED: u8 = 3;
const GAP: u8 = 4;
const SECURITY: u8 = 5;
const CHANGED: u8 = 6;
const GROUP_CHANGED: u8 = 7;
const GROUP_REFUSED: u8 = 8;
const GROUP_NAMED: u8 = 9;
const GROUP_GAP: u8 = 10;
const SEEN: u8 = 11;
const RELATED: u8 = 12;
const NOT_RELATED: u8 = 13;
const SETTINGS: u8 = 14;
const NO_SETTINGS: u8 = 15;
const GROUP_GONE: u8 = 16;

impl PeopleNotice {
    /// Kind, code, low and high.
    const fn numbers(self) -> (u8, u16, u64, u64) {
        match self {
            Self::Seen(user, up_to) => (SEEN, 0, user.0, up_to.0),
            Self::Related(user) => (RELATED, 0, user.0, 0),
            Self::NotRelated(user, relation, code) => {
                (NOT_RELATED, code.0, user.0, relation.0 as u64)
            }
            Self::Settings => (SETTINGS, 0, 0, 0),
            Self::NoSettings(code) => (NO_SETTINGS, code.0, 0, 0),
        }
    }
}

impl Notice {
    /// Which message it is about.
    #[must_use]
    pub const fn seq(&self) -> Option<Seq> {
        match self {
            Self::Message(seq)
            | Self::Changed { seq, .. }
            | Self::Receipt { seq, .. }
            | Self::Failed { seq, .. } => Some(*seq),
            Self::Gap { .. } | Self::Group { .. } | Self::People(_) | Self::Security { .. } => None,
        }
    }

    /// Which group it is about.
    const fn contact(&self) -> Option<ContactId> {
        match self {
            Self::Group { contact, .. } => Some(*contact),
            Self::Security { group, .. } => *group,
            _ => None,
        }
    }
}

impl Tx<'_> {
    /// Appends a notice under a number above all earlier ones.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn notify(&self, id: NoticeId, notice: &Notice) -> Result<(), StoreError> {
        let (kind, code, low, high) = match *notice {
            Notice::Message(_) => (MESSAGE, 0, 0, 0),
            Notice::Receipt { state, at, .. } => (RECEIPT, state_code(state).into(), at.0, 0),
            Notice::Changed { what, .. } => (CHANGED, what as u16, 0, 0),
            Notice::Failed { code, .. } => (FAILED, code.0, 0, 0),
            Notice::Gap { from, to, reason } => (GAP, reason.to_wire().0.into(), from.0, to.0),
            Notice::Group { what, .. } => match what {
                GroupNotice::Changed(version) => (GROUP_CHANGED, 0, version, 0),
                GroupNotice::Gap { from, to, reason } => {
                    (GROUP_GAP, reason.to_wire().0.into(), from, to)
                }
                GroupNotice::Gone => (GROUP_GONE, 0, 0, 0),
                GroupNotice::Named(by) => (GROUP_NAMED, 0, by.0, 0),
                GroupNotice::Refused(code) => (GROUP_REFUSED, code.0, 0, 0),
            },
            Notice::People(what) => {
                let row = what.numbers();
                self.retract(row.0, row.2)?;
                row
            }
            Notice::Security {
                user, device, kind, ..
            } => {
                let device = device.map_or(0, |device| device.0.into());
                (SECURITY, kind.number().into(), user.0, device)
            }
        };
        self.execute(
            "INSERT INTO notices (notice, kind, seq, code, low, high, contact)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                id.0,
                kind,
                notice.seq().map(|seq| seq.0),
                code,
                to_sql(low),
                to_sql(high),
                notice.contact().map(|contact| contact.0),
            ),
        )?;
        Ok(())
    }

    /// A newer notice takes the place of one about the same account that was not taken.
    fn retract(&self, kind: u8, user: u64) -> Result<(), StoreError> {
        let sql = "DELETE FROM notices WHERE kind = ?1 AND low = ?2";
        self.execute(sql, (kind, to_sql(user)))?;
        Ok(())
    }

    /// The oldest notice.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn first_notice(&self) -> Result<Option<(NoticeId, Notice)>, StoreError> {
        self.first(
            "SELECT notice, kind, coalesce(seq, 0), code, low, high, contact FROM notices
             ORDER BY notice LIMIT 1",
            (),
            |row| Ok((NoticeId(row.get(0)?), read_notice(row)?)),
        )
    }

    /// The number of the newest notice.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest_notice(&self) -> Result<NoticeId, StoreError> {
        let sql = "SELECT coalesce(max(notice), 0) FROM notices";
        let newest = self.first(sql, (), |row| row.get(0))?;
        Ok(NoticeId(newest.unwrap_or(0)))
    }

    /// Takes a notice: once this is committed it is never seen again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take_notice(&self, id: NoticeId) -> Result<(), StoreError> {
        self.execute("DELETE FROM notices WHERE notice = ?1", [id.0])?;
        Ok(())
    }

    /// The account that a notice is about, while its handle is not known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn nameless(&self, notice: &Notice) -> Result<Option<UserId>, StoreError> {
        match notice {
            Notice::Security { user, .. }
            | Notice::Group {
                what: GroupNotice::Named(user),
                ..
            } => return self.without_handle(*user),
            Notice::Group {
                contact,
                what: GroupNotice::Changed(version),
            } => {
                for user in self.touched_by(*contact, *version)? {
                    if let Some(user) = self.without_handle(user)? {
                        return Ok(Some(user));
                    }
                }
                return Ok(None);
            }
            _ => {}
        }
        let Some(seq) = notice.seq() else {
            return Ok(None);
        };
        let author = self.first(
            "SELECT author FROM messages WHERE seq = ?1 AND author <> 0",
            [seq.0],
            |row| row.get(0).map(|user| UserId(from_sql(user))),
        )?;
        if let Some(author) = author {
            return self.without_handle(author);
        }
        self.first(
            "SELECT user FROM messages JOIN contacts USING (contact)
             WHERE seq = ?1 AND user IS NOT NULL AND handle IS NULL",
            [seq.0],
            |row| row.get(0).map(|user| UserId(from_sql(user))),
        )
    }
}

impl Tx<'_> {
    /// This account, if it is one whose handle is to be learned.
    fn without_handle(&self, user: UserId) -> Result<Option<UserId>, StoreError> {
        self.first(
            "SELECT user FROM contacts WHERE user = ?1 AND handle IS NULL",
            [to_sql(user.0)],
            |row| row.get(0).map(|user| UserId(from_sql(user))),
        )
    }
}

fn read_notice(row: &Row<'_>) -> rusqlite::Result<Notice> {
    let kind: u8 = row.get(1)?;
    let (seq, low) = (Seq(row.get(2)?), from_sql(row.get(4)?));
    let group = row.get::<_, Option<i64>>(6)?.map(ContactId);

    Ok(match kind {
        MESSAGE => Notice::Message(seq),
        RECEIPT => Notice::Receipt {
            seq,
            state: read_state(row, 3)?,
            at: Millis(low),
        },
        CHANGED => {
            let code: u16 = row.get(3)?;
            let what = Changed::ALL.get(usize::from(code));
            let what = *what.ok_or_else(|| unknown(3))?;
            Notice::Changed { seq, what }
        }
        FAILED => Notice::Failed {
            seq,
            code: NackCode(row.get(3)?),
        },
        GAP => Notice::Gap {
            from: Position(low),
            to: Position(from_sql(row.get(5)?)),
            reason: frame::GapReason(row.get(3)?).into(),
        },
        SECURITY => Notice::Security {
            user: UserId(low),
            device: Some(row.get(5)?)
                .filter(|device| *device != 0)
                .map(DeviceId),
            group,
            kind: SecurityKind::from_number(row.get(3)?).ok_or_else(|| unknown(3))?,
        },
        GROUP_CHANGED | GROUP_GAP | GROUP_GONE | GROUP_NAMED | GROUP_REFUSED => Notice::Group {
            contact: group.ok_or_else(|| unknown(6))?,
            what: match kind {
                GROUP_CHANGED => GroupNotice::Changed(low),
                GROUP_GAP => GroupNotice::Gap {
                    from: low,
                    to: from_sql(row.get(5)?),
                    reason: frame::GapReason(row.get(3)?).into(),
                },
                GROUP_GONE => GroupNotice::Gone,
                GROUP_NAMED => GroupNotice::Named(UserId(low)),
                _ => GroupNotice::Refused(NackCode(row.get(3)?)),
            },
        },
        SEEN..=NO_SETTINGS => Notice::People(read_people(row, kind)?),
        _ => return Err(unknown(1)),
    })
}

fn read_people(row: &Row<'_>, kind: u8) -> rusqlite::Result<PeopleNotice> {
    let (user, high) = (UserId(from_sql(row.get(4)?)), row.get(5)?);
    let code = NackCode(row.get(3)?);
    Ok(match kind {
        SEEN => PeopleNotice::Seen(user, Timestamp(from_sql(high))),
        RELATED => PeopleNotice::Related(user),
        NOT_RELATED => {
            let relation = u8::try_from(high).map_err(|_| unknown(5))?;
            PeopleNotice::NotRelated(user, frame::Relation(relation), code)
        }
        SETTINGS => PeopleNotice::Settings,
        _ => PeopleNotice::NoSettings(code),
    })
}

/// A number stands for nothing that this version knows.
fn unknown(column: usize) -> rusqlite::Error {
    let reason = "no notice has this number".into();
    rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, reason)
}
