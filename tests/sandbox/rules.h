// The names of what the server refuses. Ids without a topic word are those of dossier 1 section 14;
// the M ids name the rows of dossier 2 section 13.
//
//   T1 upgrade request          T2 intro                 T3 routing blob        T4 intro twice
//   T5 WebSocket misuse         T6 frame too large       N1 ClientHello, order  N2 ClientFinish
//   N4 transport counter        P1 kind of payload       P2 registration data   P3 unknown device
//   P4 user agent               P5 web info              P6 login bookkeeping   P7 second
//   connection B1 malformed node           B2 flags                 B3 JID sent as text    B4 empty
//   attribute Q1 answer to pair-device    Q2 QR code               Q3 refs ran out        Q5
//   pair-device-sign Q6 noise key reused         L1 companion_hello       L2 second hello        L4
//   companion_finish S2 backlog before active    S3 passive               S4 unknown iq          S6
//   prekey upload S9 signed prekey rotation   S10 presence, session id S11 clean              S12
//   offline_batch A2 silence                  A3 server ping           A6 back after the end  A7
//   remove device A8 connection flood         I1 iq attributes         I2 answer to nothing   C1
//   overdue ack C2 ack of the wrong thing   C3 ack twice             C4 receipt and ack     C5 from
//   in an ack
#pragma once

#include <string_view>

#include "session/node/node.h"

namespace wab::sandbox::rule {

inline constexpr const char* kMessageShape = "M1";     // id, to, type, tag
inline constexpr const char* kMessageToDevice = "M2";  // `to` names a device
inline constexpr const char* kMixedNamespaces = "M3";  // PN and LID in one stanza
inline constexpr const char* kLidNotMigrated = "M4";   // LID address from an unmigrated account
inline constexpr const char* kParticipants = "M5";     // list of devices
inline constexpr const char* kEncAttributes = "M6";    // v, type, content
inline constexpr const char* kEncBytes = "M7";         // not a Signal message
inline constexpr const char* kDeviceIdentity = "M8";   // missing or not ours
inline constexpr const char* kPreKeyId = "M9";         // never handed out, or used twice
inline constexpr const char* kMediaType = "M10";       // media without mediatype
inline constexpr const char* kHiddenRevoke = "M11";    // judged by the phone, which decrypts
inline constexpr const char* kPeer = "M12";            // category peer
inline constexpr const char* kPrivacyToken = "M13";    // new chat without a token
inline constexpr const char* kStatus = "M14";          // status@broadcast
inline constexpr const char* kNotMember = "M15";       // group: sender is no member
inline constexpr const char* kAddressingMode = "M16";  // group: stale or missing mode
inline constexpr const char* kPhash = "M17";           // group: phash
inline constexpr const char* kTwoOfOne = "M18";        // two biz or bot nodes
inline constexpr const char* kAnnouncement = "M20";    // group: only admins send
inline constexpr const char* kResend = "M21";          // resend that nobody asked for
inline constexpr const char* kDecryption = "M22";      // judged by the phone, which decrypts
inline constexpr const char* kCounterReuse = "M24";    // a ratchet counter used twice
inline constexpr const char* kIterationReuse = "M25";  // a sender-key iteration used twice
inline constexpr const char* kIdReuse = "M26";         // one id for two contents
inline constexpr const char* kReceiptTo = "M30";       // receipt: to, participant
inline constexpr const char* kReceiptId = "M31";       // receipt: for nothing that was delivered
inline constexpr const char* kReceiptType = "M32";     // receipt: type
inline constexpr const char* kOwnReceipt = "M33";      // receipt: sender, peer_msg, hist_sync
inline constexpr const char* kReceiptCount = "M34";    // receipt: more than 256 ids
inline constexpr const char* kReceiptTime = "M35";     // receipt: read or played without t
inline constexpr const char* kRetryReceipt = "M36";    // receipt: retry
inline constexpr const char* kUsync = "M40";           // usync: shape
inline constexpr const char* kUsyncUser = "M41";       // usync: users
inline constexpr const char* kPreKeyFetch = "M43";     // prekey get: users
inline constexpr const char* kChatState = "M44";       // presence and chat state
inline constexpr const char* kTokens = "M46";          // privacy tokens

}  // namespace wab::sandbox::rule

namespace wab::sandbox {

// The name of the first attribute, in the whole tree, that must be a JID and is text (B3), or "".
std::string jid_sent_as_text(const node::Node& stanza);
// The name of the first attribute with an empty value (B4), or "".
std::string empty_attribute(const node::Node& stanza);

}  // namespace wab::sandbox
