//! A frame in one short line, for the trace.

use std::fmt;

use martlet_protocol::DeviceList;
use martlet_protocol::frame::{Frame, GroupState, Part};
use martlet_protocol::group_record::GroupRecord;
use martlet_protocol::wire::List;

/// Shows a frame without what is long in it.
pub(crate) struct Brief<'a>(pub(crate) &'a Frame<'a>);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Frame::Send(send) => {
                let (id, to, scope) = (send.message_id, send.to, send.scope.0);
                let (theirs, own) = (send.to_version, send.own_version);
                write!(f, "SEND {id} to {to} scope {scope} for {theirs} {own}")?;
                show_parts(f, &send.to_parts)?;
                show_parts(f, &send.own_parts)
            }
            Frame::Event(event) => {
                let (at, kind, id) = (event.position, event.kind.0, event.message_id);
                write!(f, "EVENT {at} kind {kind} {id} at {}", event.timestamp)?;
                write!(f, " from {}", event.peer)
            }
            frame => self.groups(f, frame),
        }
    }
}

impl Brief<'_> {
    fn groups(&self, f: &mut fmt::Formatter<'_>, frame: &Frame<'_>) -> fmt::Result {
        match frame {
            Frame::GroupChange(change) => match GroupRecord::decode(change.record.0) {
                Ok(record) => {
                    let (group, version) = (record.group, record.version);
                    write!(f, "GROUP_CHANGE {} {group} {version}:", change.request)?;
                    show_record(f, &record)
                }
                Err(error) => write!(f, "GROUP_CHANGE {error}"),
            },
            Frame::GroupState(state) => {
                let GroupState {
                    request,
                    group,
                    version,
                    roster,
                    sequence,
                    ..
                } = state;
                let (records, mode) = (state.records.iter().count(), state.mode.0);
                write!(
                    f,
                    "GROUP_STATE {request} {group} version {version} roster {roster} "
                )?;
                write!(f, "sequence {sequence} mode {mode}, {records} records:")?;
                state.members.iter().try_for_each(|member| {
                    let (user, role) = (member.user, member.role.0);
                    write!(f, " {user} {role} {}", member.list_version)
                })
            }
            Frame::GroupSend(send) => {
                let (id, group) = (send.message_id, send.group);
                write!(
                    f,
                    "GROUP_SEND {id} to {group} for {} {}",
                    send.version, send.roster
                )
            }
            Frame::GroupEvent(event) => {
                let (position, group, sequence) = (event.position, event.group, event.sequence);
                write!(f, "GROUP_EVENT {position} {sequence} of {group}")?;
                if let Some(author) = event.author {
                    write!(f, " from {author}")?;
                }
                match (event.message_id, GroupRecord::decode(event.body)) {
                    (Some(id), _) => write!(f, ": {id}"),
                    (None, Ok(record)) => {
                        write!(f, ": version {}", record.version)?;
                        show_record(f, &record)
                    }
                    (None, Err(_)) => write!(f, ": mode {:?}", event.body),
                }
            }
            frame => self.keys(f, frame),
        }
    }

    /// Keys, signatures and ciphertexts differ from run to run, and say nothing to a reader.
    fn keys(&self, f: &mut fmt::Formatter<'_>, frame: &Frame<'_>) -> fmt::Result {
        match frame {
            Frame::Hello(_) | Frame::Challenge(_) | Frame::Register(_) | Frame::Linked(_) => {
                write!(f, "{:?}", frame.kind())
            }
            Frame::Auth(auth) => write!(f, "AUTH {} at {}", auth.address, auth.cursor),
            Frame::DeviceLists(answer) => {
                let (user, newest, count) =
                    (answer.user, answer.newest, answer.lists.iter().count());
                write!(
                    f,
                    "DEVICE_LISTS {} {user} newest {newest}, {count}",
                    answer.request
                )
            }
            Frame::Publish(publish) => match DeviceList::decode(publish.list.0) {
                Ok(list) => {
                    write!(f, "PUBLISH {} version {}:", publish.request, list.version)?;
                    list.devices
                        .iter()
                        .try_for_each(|listed| write!(f, " {}", listed.device.0))
                }
                Err(error) => write!(f, "PUBLISH {error}"),
            },
            Frame::Upload(upload) => {
                let (last_resort, count) =
                    (upload.last_resort.is_some(), upload.one_time.iter().count());
                write!(
                    f,
                    "UPLOAD {} last resort {last_resort}, {count}",
                    upload.request
                )
            }
            Frame::Bundles(answer) => {
                write!(f, "BUNDLES {} {}:", answer.request, answer.user)?;
                answer.bundles.iter().try_for_each(|bundle| {
                    let (device, kind, id) = (bundle.device.0, bundle.kind.0, bundle.prekey.id);
                    write!(f, " {device} kind {kind} id {id}")
                })
            }
            Frame::LinkOffer(offer) if offer.offer.is_empty() => write!(f, "LINK_OFFER gone"),
            Frame::LinkOffer(_) => write!(f, "LINK_OFFER"),
            Frame::LinkOpen(open) => write!(f, "LINK_OPEN {} {}", open.request, open.device.0),
            Frame::LinkClose(close) => write!(f, "LINK_CLOSE {}", close.request),
            Frame::LinkJoin(join) => write!(f, "LINK_JOIN {}", join.address),
            frame => write!(f, "{frame:?}"),
        }
    }
}

fn show_record(f: &mut fmt::Formatter<'_>, record: &GroupRecord<'_>) -> fmt::Result {
    let mut changes = record.changes.iter();
    changes.try_for_each(|change| write!(f, " {} {}", change.user, change.role.0))
}

fn show_parts(f: &mut fmt::Formatter<'_>, parts: &List<'_, Part<'_>>) -> fmt::Result {
    write!(f, " [")?;
    for part in parts {
        write!(f, " {}: {} bytes", part.device.0, part.part.len())?;
    }
    write!(f, " ]")
}
