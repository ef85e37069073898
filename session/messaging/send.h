// Sends that the API accepted: from a durable row to the wire and on to the last tick (architecture
// section 5.2).
//
//   pending --encrypt, commit--> attempted --ack--> sent --receipts--> delivered, read, played
//                                         \--ack error--> failed
//
// A row that is "attempted" is repeated byte for byte after a reconnect or a crash, so nothing is
// ever encrypted twice for one message.
#pragma once

#include <deque>
#include <set>

#include "session/engine.h"
#include "session/messaging/devices.h"
#include "session/messaging/groups.h"
#include "session/session.h"

namespace wab::session {

class Sender {
 public:
  Sender(Engine& engine, Devices& devices, Groups& groups)
      : engine_(engine), devices_(devices), groups_(groups) {}

  awaitable<Result<SendAccepted>> accept(MessageRowId id, SendText text, SendAlso also);
  awaitable<Result<MessageView>> view_of(MessageRowId id);

  // The session is open: everything that is not acknowledged goes out, oldest first.
  awaitable<void> resume();
  // <ack class="message">.
  awaitable<Result<void>> on_ack(node::Node ack);
  // Somebody's receipt for messages of ours. `done` runs when its effects are durable.
  awaitable<Result<void>> on_receipt(node::Node receipt, std::function<void()> done);

  static constexpr size_t kMaxWaiting = 10'000;

 private:
  struct Plan {      // answers of the wire, gathered before the turn
    node::Jid chat;  // as addressed
    bool group = false;
    bool lid = false;
    std::vector<node::Jid> recipients;  // devices
    std::vector<node::Jid> own;         // our other devices
    std::vector<node::Jid> all_group_devices;
    std::map<node::Jid, signal::PreKeyBundle> bundles;
  };

  void wake();
  awaitable<void> work();
  awaitable<Result<void>> process(std::string row_name);
  awaitable<Result<Plan>> plan(const pb::StoredMessage& row);
  awaitable<Result<Plan>> plan_direct(node::Jid to);
  awaitable<Result<Plan>> plan_group(node::Jid group);
  awaitable<Result<void>> add_bundles(Plan& plan);
  awaitable<Result<node::Node>> encrypt(Change& change, const pb::StoredMessage& row, Plan& plan);
  awaitable<Result<node::Node>> encrypt_direct(Change& change, const pb::StoredMessage& row,
                                               Plan& plan);
  awaitable<Result<node::Node>> encrypt_group(Change& change, const pb::StoredMessage& row,
                                              Plan& plan);
  awaitable<Result<void>> fail_row(std::string row_name, pb::StoredMessage row, std::string code);
  awaitable<Result<std::optional<pb::StoredMessage>>> load_row(Change& change, std::string name);
  void store_row(Change& change, const std::string& name, pb::StoredMessage& row);
  void emit_status(Change& change, const std::string& row_name, const pb::StoredMessage& row,
                   const node::Jid& shown_chat, const std::string& participant, UnixSeconds t);

  Engine& engine_;
  Devices& devices_;
  Groups& groups_;
  std::deque<std::string> queue_;  // row names
  std::set<std::string> in_queue_;
  std::set<std::string> on_wire_;  // written on this connection, awaiting their ack
  std::set<std::string> encrypted_anew_;
  bool working_ = false;
};

}  // namespace wab::session
