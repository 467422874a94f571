//! What must have happened in some run, or the runs have shown nothing.

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// How often things happened.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Counters {
            /// Adds what another run has seen.
            pub const fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)+
            }

            /// Names and counts.
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+]
            }
        }
    };
}

counters! {
    /// Messages that users wrote.
    messages,
    /// Messages that answer another one.
    replies,
    /// Times that a user gave a message another text.
    edits,
    /// Times that a user put a sign to a message, or took it back.
    reactions,
    /// Messages that a user has deleted for everyone.
    deletions,
    /// Messages that a user saw in the end with another text than the first,
    seen_edited,
    /// with a sign, for each,
    seen_reactions,
    /// and deleted.
    seen_deleted,
    /// Messages that were handed to a user.
    shown,
    /// Copies of own messages that were handed to a user.
    copies,
    /// Crashes of the server.
    server_crashes,
    /// Crashes that took back at least one turn.
    crashes_with_unsynced_turns,
    /// Crashes after which a turn was durable though nobody had been told.
    crashes_with_untold_turns,
    /// Crashes of a client.
    client_crashes,
    /// Crashes of a client that had bytes to write.
    client_crashes_with_output,
    /// Connections that broke.
    cuts,
    /// Connections that broke and nobody was told.
    half_opens,
    /// Times that a device had no network for a while.
    absences,
    /// Frames that came in more than one piece, in pieces.
    pieces,
    /// SENDs of a message that the server had seen.
    retries,
    /// Items that were pushed again on a later connection.
    redeliveries,
    /// SENDs refused because an inbox was full.
    inbox_full,
    /// SENDs refused because an earlier one was.
    out_of_order,
    /// GAPs because of expiry.
    gaps_expired,
    /// GAPs because of a full inbox.
    gaps_overflow,
    /// Facts that ended a message at a device.
    facts_terminal,
    /// Facts that a message was delivered after all.
    facts_delivered,
    /// Facts that a message ended with a device that was removed.
    facts_gone,
    /// Facts that a message still waits although a new device takes others.
    facts_open,
    /// Receipts of delivery that a user saw.
    delivered,
    /// Receipts of reading that a user saw.
    read,
    /// Messages that were refused for good.
    failed,
    /// Pages of backlogs.
    pages,
    /// Backlogs that ended.
    caught_up,
    /// Questions of state that were answered.
    states,
    /// Connections that the server closed because they were silent.
    idle_closes,
    /// Connections that another one of the same device replaced.
    replaced,
    /// Codes that a person has carried to a new device.
    links,
    /// Devices that joined an account.
    joined,
    /// Joins that the server refused, because nobody waits any more.
    links_refused,
    /// Devices that a person has removed.
    revoked,
    /// Devices that were listed although their home had given up, and were removed.
    ghosts,
    /// AUTHs of what is no device.
    auths_refused,
    /// SENDs refused because the recipient has other devices.
    stale_recipient,
    /// SENDs refused because the sender has other devices.
    stale_own,
    /// Messages to one device that was removed before they were taken.
    pointless,
    /// Messages that were made anew after a refusal.
    made_anew,
    /// Messages of devices to each other.
    controls,
    /// Messages of which a device got nothing, because the author had no keys of it.
    empty_parts,
    /// Messages that came when the ratchet may have left their keys behind.
    outrun,
    /// Messages that a new device got from another one.
    remembered,
    /// Prekeys uploaded, in times.
    uploads,
    /// Times that all one-time keys of an account were taken.
    stripped,
    /// Last-resort prekeys that a client got.
    last_resorts,
    /// Times that a user was told so.
    last_resorts_told,
    /// Times that a user was told of somebody's other devices.
    devices_changed,
    /// Times that a user was told of a message that nobody can open.
    poison_told,
    /// Groups that somebody has made.
    groups,
    /// Accounts whose presence somebody wanted to know.
    watched,
    /// Times that somebody was told whether one is there.
    presences,
    /// Times that somebody was told that one writes, or has stopped.
    typings,
    /// Changes of groups that somebody was told.
    group_changes,
    /// Changes that were not made, because somebody else was faster.
    group_refusals,
    /// Things said in groups.
    remarks,
    /// Times that somebody was shown one.
    remarks_shown,
    /// Times that its author was told that all have one,
    remarks_delivered,
    /// or have read it.
    remarks_read,
    /// GROUP_SENDs that were repeated.
    group_retries,
    /// Entries that came by an inbox,
    fanned_out,
    /// or by the group's own stream.
    streamed,
    /// Times that entries of a group were told to be missing.
    group_gaps,
}
