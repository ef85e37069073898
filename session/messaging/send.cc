#include "session/messaging/send.h"

#include <nlohmann/json.hpp>

#include "session/messaging/content.h"
#include "session/messaging/event_data.h"
#include "session/messaging/fanout.h"
#include "session/messaging/receipts.h"
#include "session/messaging/send_target.h"
#include "session/node/codec.h"
#include "session/probe.h"
#include "storage/base/log.h"

namespace wab::session {
namespace {

using node::Jid;
using node::Node;
using storage::Kind;

constexpr size_t kMaxBody = 65536;

// Ticks only rise.
int rank(const std::string& status) {
  static const char* const kOrder[] = {"pending",   "attempted", "sent",
                                       "delivered", "read",      "played"};
  for (int i = 0; i < 6; ++i) {
    if (status == kOrder[i]) return i;
  }
  return -1;  // failed: final
}

// Codes of dossier 2 section 6.7.
std::string ack_failure(int code) {
  switch (code) {
    case 404:
      return "recipient_not_found";
    case 463:
      return "recipient_restricted";
    case 475:
      return "new_chat_limit";
    case 421:
      return "stale_group";
    case 400:
    case 479:
      return "rejected_as_malformed";
    default:
      return "rejected_" + std::to_string(code);
  }
}

}  // namespace

awaitable<Result<std::optional<pb::StoredMessage>>> Sender::load_row(Change& change,
                                                                     std::string name) {
  storage::Key key{Kind::message, std::move(name)};
  CO_TRY(auto stored, co_await change.get(std::move(key)));
  pb::StoredMessage row;
  if (!stored || !row.ParseFromArray(stored->data(), static_cast<int>(stored->size()))) {
    co_return std::optional<pb::StoredMessage>();
  }
  co_return std::optional<pb::StoredMessage>(std::move(row));
}

void Sender::store_row(Change& change, const std::string& name, pb::StoredMessage& row) {
  row.set_updated_ms(engine_.ctx.clock().now_ms());
  change.put(Kind::message, name, to_bytes(view(row.SerializeAsString())));
}

awaitable<Result<SendAccepted>> Sender::accept(MessageRowId id, SendText text, SendAlso also) {
  if (text.body.empty() || text.body.size() > kMaxBody || !is_utf8(view(text.body))) {
    co_return fail(SessionError::bad_content, "text must be 1 to 65536 bytes of UTF-8");
  }
  const auto to = parse_target(text.to);
  if (!to) co_return fail(SessionError::bad_recipient, "neither a phone number nor a JID");
  if (!engine_.me.paired()) co_return fail(SessionError::not_working, "session is not paired");
  if (queue_.size() >= kMaxWaiting) co_return fail(SessionError::outbox_full, "send queue");

  TextContent content;
  content.body = text.body;
  content.reply_to = text.reply_to;
  content.reply_to_sender = parse_target(text.reply_to_sender).value_or(*to);
  for (const auto& mention : text.mentions) {
    if (const auto jid = parse_target(mention)) content.mentions.push_back(*jid);
  }
  const auto secret = engine_.ctx.random().array<32>();
  pb::StoredMessage row;
  row.set_stanza_id(
      make_message_id(engine_.server_now_s(), engine_.own().pn, engine_.ctx.random()));
  row.set_to(to->text());
  row.set_status("pending");
  row.set_created_ms(engine_.ctx.clock().now_ms());
  if (!text.trace.empty()) row.set_trace(text.trace);
  row.set_content(make_text(content, secret).SerializeAsString());

  Change change(engine_.overlay);
  const std::string name = id.text();
  store_row(change, name, row);
  change.put(Kind::outgoing, name, Bytes());
  change.put(Kind::stanza_index, row.stanza_id(), to_bytes(view(name)));
  for (auto& one : also.organization_rows) change.put_org(std::move(one));
  const auto committed = co_await engine_.overlay.commit(std::move(change));
  if (!committed) co_return fail(committed.error());
  if (in_queue_.insert(name).second) queue_.push_back(name);
  wake();
  co_return SendAccepted{id, row.stanza_id()};
}

awaitable<Result<MessageView>> Sender::view_of(MessageRowId id) {
  Change change(engine_.overlay);
  const std::string name = id.text();
  CO_TRY(auto row, co_await load_row(change, name));
  if (!row) co_return fail(SessionError::not_found, "message");
  MessageView out;
  out.id = id;
  out.stanza_id = row->stanza_id();
  out.chat = row->to();
  out.status = row->status();
  // On the wire of a live connection it is simply on its way; otherwise nobody knows yet.
  if (out.status == "attempted") out.status = on_wire_.contains(name) ? "pending" : "unknown";
  out.failure = row->failure();
  out.created_at = row->created_ms();
  out.updated_at = row->updated_ms();
  co_return out;
}

void Sender::wake() {
  if (working_ || !engine_.open || queue_.empty()) return;
  working_ = true;
  engine_.start(work(), "session.send");
}

awaitable<void> Sender::resume() {
  on_wire_.clear();
  std::vector<std::pair<int64_t, std::string>> found;
  std::string after;
  do {
    auto page = co_await engine_.ctx.scan(Kind::outgoing, after, 500);
    if (!page) co_return;
    for (const auto& row : page->rows) {
      Change change(engine_.overlay);
      auto message = co_await load_row(change, row.key.name);
      if (message && *message) found.emplace_back((*message)->created_ms(), row.key.name);
    }
    after = page->next;
  } while (!after.empty());
  std::sort(found.begin(), found.end());
  for (auto& [created, name] : found) {
    if (in_queue_.insert(name).second) queue_.push_back(name);
  }
  wake();
}

awaitable<void> Sender::work() {
  while (engine_.open && !queue_.empty()) {
    const std::string name = queue_.front();
    auto done = co_await process(name);
    if (!done) {
      // The wire went away: the row stays and resume() takes it up again.
      log_info("session.send_deferred", {{"session", engine_.ctx.scope().session().text()},
                                         {"error", done.error().describe()}});
      if (!engine_.open) break;
    }
    if (!queue_.empty() && queue_.front() == name) {
      queue_.pop_front();
      in_queue_.erase(name);
    }
  }
  working_ = false;
}

awaitable<Result<void>> Sender::process(std::string name) {
  pb::StoredMessage row;
  {
    Change change(engine_.overlay);
    CO_TRY(auto loaded, co_await load_row(change, name));
    if (!loaded) co_return ok();
    row = std::move(*loaded);
  }
  if (on_wire_.contains(name) || rank(row.status()) > 1 || row.status() == "failed") {
    co_return ok();
  }
  if (row.status() == "attempted") {
    on_wire_.insert(name);
    const bool sent = engine_.conn && engine_.conn->send_encoded(to_bytes(view(row.stanza())));
    if (!sent) co_return fail(SessionError::disconnected, "repeat of a send");
    co_return ok();
  }
  auto planned = co_await plan(row);
  if (!planned) {
    if (planned.error().is(SessionError::bad_recipient)) {
      co_return co_await fail_row(name, row, "recipient_not_found");
    }
    if (planned.error().is(SessionError::refused)) {
      co_return co_await fail_row(name, row, "recipient_refused");
    }
    co_return fail(planned.error());
  }
  const std::weak_ptr<Connection> where = engine_.conn;
  auto turn = co_await engine_.turn.take();
  Change change(engine_.overlay);
  auto stanza = co_await encrypt(change, row, *planned);
  if (!stanza) {
    turn.release();
    if (stanza.error().is(SessionError::bad_recipient)) {
      co_return co_await fail_row(name, row, "no_device_reachable");
    }
    co_return fail(stanza.error());
  }
  CO_TRY(auto encoded, node::encode(*stanza));
  row.set_status("attempted");
  row.set_chat(planned->chat.text());
  row.set_stanza(to_string(encoded));
  store_row(change, name, row);
  pb::StoredSent kept;
  kept.set_message(row.content());
  kept.set_to(planned->chat.text());
  kept.set_type(stanza->attr("type"));
  kept.set_t(engine_.server_now_s());
  if (planned->group) kept.set_addressing_mode(planned->lid ? "lid" : "pn");
  change.put(Kind::sent_message, row.stanza_id(), to_bytes(view(kept.SerializeAsString())));
  on_wire_.insert(name);
  change.then([where, encoded] {
    if (const auto connection = where.lock()) {
      connection->send_encoded(encoded);
      probe().sent.add();
    }
  });
  engine_.overlay.apply(std::move(change));
  co_return ok();
}

awaitable<Result<void>> Sender::fail_row(std::string name, pb::StoredMessage row,
                                         std::string code) {
  auto turn = co_await engine_.turn.take();
  Change change(engine_.overlay);
  row.set_status("failed");
  row.set_failure(code);
  row.clear_content();
  row.clear_stanza();
  store_row(change, name, row);
  change.erase(Kind::outgoing, name);
  const auto chat = Jid::parse(row.chat().empty() ? row.to() : row.chat());
  CO_TRY(const Jid shown, co_await shown_chat(change, chat.value_or(Jid())));
  emit_status(change, name, row, shown, "", engine_.server_now_s());
  engine_.overlay.apply(std::move(change));
  co_return ok();
}

void Sender::emit_status(Change& change, const std::string& name, const pb::StoredMessage& row,
                         const Jid& shown, const std::string& participant, UnixSeconds t) {
  nlohmann::ordered_json data;
  data["id"] = name;
  data["message_id"] = row.stanza_id();
  data["status"] = row.status();
  if (!row.failure().empty()) data["failure"] = {{"code", row.failure()}};
  data["chat"] = {{"id", shown.text()}, {"kind", chat_kind(shown)}};
  if (!participant.empty()) data["participant"] = participant;
  data["timestamp"] = to_iso8601(t * 1000);
  EventDraft draft;
  draft.type = "message.ack";
  draft.source = {shown.text(), participant, row.stanza_id(), "message.ack/" + row.status()};
  draft.occurred_at = t * 1000;
  draft.trace = row.trace();
  draft.received = engine_.ctx.clock().now_ms();
  draft.data = data.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  change.emit(std::move(draft));
}

awaitable<Result<void>> Sender::on_ack(Node ack) {
  auto turn = co_await engine_.turn.take();
  Change change(engine_.overlay);
  storage::Key key{Kind::stanza_index, ack.attr("id")};
  CO_TRY(auto found, co_await change.get(std::move(key)));
  if (!found) co_return ok();
  const std::string name = to_string(*found);
  CO_TRY(auto row, co_await load_row(change, name));
  if (!row) co_return ok();
  on_wire_.erase(name);
  const auto from = ack.jid("from");
  if (ack.has("phash") && from) {
    // Device sets differ: look again before the next send.
    if (from->is_group()) {
      Groups::forget(change, *from);
    } else {
      Devices::forget(change, *from);
      Devices::forget(change, engine_.own().lid);
      Devices::forget(change, engine_.own().pn);
    }
  }
  const int error = static_cast<int>(ack.number("error").value_or(0));
  // A stale addressing mode was refused before anybody saw the message: encrypt it anew, once.
  const bool again = error == 421 && from && encrypted_anew_.insert(name).second;
  if (again) {
    Groups::forget(change, *from);
    row->set_status("pending");
    row->clear_stanza();
    store_row(change, name, *row);
    if (in_queue_.insert(name).second) queue_.push_back(name);
  }
  const bool repeat_later = error == 503 || again;
  if (rank(row->status()) <= 1 && row->status() != "failed" && !repeat_later) {
    row->set_status(error == 0 ? "sent" : "failed");
    if (error != 0) row->set_failure(ack_failure(error));
    row->clear_content();
    row->clear_stanza();
    store_row(change, name, *row);
    change.erase(Kind::outgoing, name);
    const Jid chat = Jid::parse(row->chat()).value_or(Jid());
    CO_TRY(const Jid shown, co_await shown_chat(change, chat));
    const auto t = static_cast<UnixSeconds>(
        ack.number("t").value_or(static_cast<uint64_t>(engine_.server_now_s())));
    emit_status(change, name, *row, shown, "", t);
  }
  engine_.overlay.apply(std::move(change));
  turn.release();
  if (again) wake();
  co_return ok();
}

awaitable<Result<void>> Sender::on_receipt(Node receipt, std::function<void()> done) {
  auto turn = co_await engine_.turn.take();
  Change change(engine_.overlay);
  for (const auto& info : read_receipt(receipt, engine_.own())) {
    if (info.status.empty() || info.from_me) continue;
    for (const auto& id : info.ids) {
      storage::Key key{Kind::stanza_index, id};
      CO_TRY(auto found, co_await change.get(std::move(key)));
      if (!found) continue;
      const std::string name = to_string(*found);
      CO_TRY(auto row, co_await load_row(change, name));
      if (!row || row->status() == "failed") continue;
      const std::string mark = "a/" + id + "/" + info.from.bare().text() + "/" + info.status;
      std::vector<std::string> names{mark};
      CO_TRY(const auto marks, co_await engine_.overlay.marked(std::move(names)));
      if (marks[0]) continue;
      change.mark(mark, engine_.ctx.clock().now_s() + 35 * 24 * 3600);
      const bool rises = rank(info.status) > rank(row->status());
      if (rises) {
        row->set_status(info.status);
        row->clear_content();
        row->clear_stanza();
        store_row(change, name, *row);
        change.erase(Kind::outgoing, name);
        on_wire_.erase(name);
      }
      const bool group = info.chat.is_group();
      if (!rises && !group) continue;
      pb::StoredMessage told = *row;
      told.set_status(info.status);
      CO_TRY(const Jid shown, co_await shown_chat(change, info.chat));
      const Jid reader = info.from.bare();
      CO_TRY(const Jid who, co_await shown_chat(change, reader));
      emit_status(change, name, told, shown, group ? who.text() : "",
                  info.t > 0 ? info.t : engine_.server_now_s());
    }
  }
  change.then(std::move(done));
  engine_.overlay.apply(std::move(change));
  co_return ok();
}

}  // namespace wab::session
