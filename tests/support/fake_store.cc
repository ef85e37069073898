#include "tests/support/fake_store.h"

#include <sodium.h>

#include <algorithm>

namespace wab::test {

using storage::Commit;
using storage::DeliveryRow;
using storage::EventRow;
using storage::OrgScope;
using storage::Scope;

awaitable<Result<std::vector<std::optional<Bytes>>>> FakeStore::load(
    Scope scope, std::vector<storage::Key> keys) {
  std::lock_guard lock(mutex_);
  ++loads_;
  for (const auto& key : keys) count("load", key.kind);
  if (failure) co_return fail(*failure);
  std::vector<std::optional<Bytes>> out;
  for (auto& key : keys) {
    const auto found = rows_.find(RowKey(scope.org(), scope.session(), key.kind, key.name));
    out.push_back(found == rows_.end() ? std::nullopt : std::optional<Bytes>(found->second));
  }
  co_return out;
}

awaitable<Result<storage::Store::Page>> FakeStore::scan(Scope scope, storage::Kind kind,
                                                        std::string after, size_t limit) {
  std::lock_guard lock(mutex_);
  count("scan", kind);
  if (failure) co_return fail(*failure);
  Page page;
  // A mark is "n" and the last name, so that it is never empty.
  auto it = after.empty()
                ? rows_.lower_bound(RowKey(scope.org(), scope.session(), kind, ""))
                : rows_.upper_bound(RowKey(scope.org(), scope.session(), kind, after.substr(1)));
  auto inside = [&] {
    return it != rows_.end() && std::get<0>(it->first) == scope.org() &&
           std::get<1>(it->first) == scope.session() && std::get<2>(it->first) == kind;
  };
  for (; inside() && page.rows.size() < limit; ++it) {
    storage::Row row;
    row.key.kind = kind;
    row.key.name = std::get<3>(it->first);
    row.value = it->second;
    page.rows.push_back(std::move(row));
  }
  if (inside() && !page.rows.empty()) page.next = "n" + page.rows.back().key.name;
  co_return page;
}

awaitable<Result<std::vector<bool>>> FakeStore::marked(Scope scope, std::vector<std::string> names,
                                                       UnixSeconds now) {
  std::lock_guard lock(mutex_);
  std::vector<bool> out;
  for (auto& name : names) {
    const auto found = marks_.find(MarkKey(scope.org(), scope.session(), name));
    out.push_back(found != marks_.end() && found->second > now);
  }
  co_return out;
}

awaitable<Result<storage::Committed>> FakeStore::commit(Commit commit) {
  if (on_commit) on_commit(commit);
  std::lock_guard lock(mutex_);
  if (failure) co_return fail(*failure);
  ++commits_;
  for (const auto& row : commit.put) count("put", row.key.kind);
  for (const auto& key : commit.erase) count("erase", key.kind);
  for (const auto& row : commit.put_org) count("put", row.key.kind);
  const OrgId org = commit.owner.org();
  const SessionId session = commit.owner.session();
  for (auto& row : commit.put) {
    rows_[RowKey(org, session, row.key.kind, row.key.name)] = std::move(row.value);
  }
  for (auto& key : commit.erase) rows_.erase(RowKey(org, session, key.kind, key.name));
  for (auto& row : commit.put_org) {
    rows_[RowKey(org, SessionId(), row.key.kind, row.key.name)] = std::move(row.value);
  }
  for (auto& mark : commit.marks) marks_[MarkKey(org, session, mark.name)] = mark.expires;
  storage::Committed out;
  for (auto& event : commit.events) {
    event.position = ++positions_[org];
    if (out.first_position == 0) out.first_position = event.position;
    events_[org].push_back(std::move(event));
  }
  for (auto& row : commit.deliveries) {
    const DeliveryKeyFull key(org, row.endpoint, row.session, row.seq);
    deliveries_[key] = std::move(row);
  }
  for (auto& key : commit.delivered) {
    deliveries_.erase(DeliveryKeyFull(org, key.endpoint, key.session, key.seq));
  }
  co_return out;
}

awaitable<Result<std::vector<EventRow>>> FakeStore::events_after(OrgScope org, uint64_t position,
                                                                 size_t limit) {
  std::lock_guard lock(mutex_);
  count("events");
  std::vector<EventRow> out;
  for (const auto& event : events_[org.org()]) {
    if (event.position > position && out.size() < limit) out.push_back(event);
  }
  co_return out;
}

awaitable<Result<std::optional<EventRow>>> FakeStore::event(Scope session, uint64_t seq) {
  std::lock_guard lock(mutex_);
  count("event");
  for (const auto& event : events_[session.org()]) {
    if (event.session == session.session() && event.seq == seq) co_return event;
  }
  co_return std::optional<EventRow>();
}

awaitable<Result<std::vector<DeliveryRow>>> FakeStore::deliveries(
    OrgScope org, EndpointId endpoint, std::optional<storage::DeliveryKey> after, size_t limit) {
  std::lock_guard lock(mutex_);
  std::vector<DeliveryRow> out;
  auto it = after ? deliveries_.upper_bound(
                        DeliveryKeyFull(org.org(), endpoint, after->session, after->seq))
                  : deliveries_.lower_bound(DeliveryKeyFull(org.org(), endpoint, SessionId(), 0));
  for (; it != deliveries_.end() && out.size() < limit; ++it) {
    if (std::get<0>(it->first) != org.org() || std::get<1>(it->first) != endpoint) break;
    out.push_back(it->second);
  }
  co_return out;
}

awaitable<Result<std::map<EndpointId, uint64_t>>> FakeStore::owed(OrgScope org) {
  std::lock_guard lock(mutex_);
  std::map<EndpointId, uint64_t> out;
  for (const auto& [key, row] : deliveries_) {
    if (std::get<0>(key) == org.org()) ++out[std::get<1>(key)];
  }
  co_return out;
}

awaitable<Result<void>> FakeStore::forget_deliveries(OrgScope org, EndpointId endpoint) {
  std::lock_guard lock(mutex_);
  std::erase_if(deliveries_, [&](const auto& row) {
    return std::get<0>(row.first) == org.org() && std::get<1>(row.first) == endpoint;
  });
  co_return ok();
}

awaitable<Result<void>> FakeStore::erase_all(Scope scope) {
  std::lock_guard lock(mutex_);
  const bool whole = scope.session().is_nil();
  auto ours = [&](const OrgId& org, const SessionId& session) {
    return org == scope.org() && (whole || session == scope.session());
  };
  std::erase_if(
      rows_, [&](const auto& row) { return ours(std::get<0>(row.first), std::get<1>(row.first)); });
  std::erase_if(marks_, [&](const auto& mark) {
    return ours(std::get<0>(mark.first), std::get<1>(mark.first));
  });
  std::erase_if(deliveries_, [&](const auto& row) {
    return ours(std::get<0>(row.first), std::get<2>(row.first));
  });
  auto& log = events_[scope.org()];
  std::erase_if(log, [&](const EventRow& event) { return ours(scope.org(), event.session); });
  co_return ok();
}

ByteArray<32> FakeStore::keyed_hash(OrgScope org, std::string_view purpose, ByteView data) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, 32);
  auto part = [&state](ByteView bytes) {
    const auto size = be64(bytes.size());
    crypto_generichash_update(&state, size.data(), size.size());
    crypto_generichash_update(&state, bytes.data(), bytes.size());
  };
  part(view(deployment_));
  part(org.org().bytes());
  part(view(purpose));
  part(data);
  ByteArray<32> out;
  crypto_generichash_final(&state, out.data(), out.size());
  return out;
}

awaitable<Result<uint64_t>> FakeStore::stored_bytes(OrgScope org) {
  std::lock_guard lock(mutex_);
  count("bytes");
  uint64_t out = 0;
  for (const auto& [key, value] : rows_) {
    if (std::get<0>(key) == org.org()) out += std::get<3>(key).size() + value.size();
  }
  co_return out;
}

awaitable<Result<storage::LogBounds>> FakeStore::event_log(OrgScope org) {
  std::lock_guard lock(mutex_);
  storage::LogBounds out;
  out.last = positions_[org.org()];
  for (const auto& event : events_[org.org()]) out.bytes += event.body.size();
  const uint64_t trimmed = trimmed_[org.org()];
  if (trimmed > 0) out.gaps.push_back(storage::LogGap{0, trimmed});
  for (const auto& hole : holes_[org.org()]) out.gaps.push_back(hole);
  co_return out;
}

awaitable<Result<storage::Trimmed>> FakeStore::trim_events(OrgScope org, storage::LogRetention keep,
                                                           size_t step) {
  std::lock_guard lock(mutex_);
  auto& events = events_[org.org()];
  uint64_t bytes = 0;
  for (const auto& event : events) bytes += event.body.size();
  storage::Trimmed out;
  while (keep.bytes != 0 && bytes > keep.bytes && !events.empty()) {
    if (out.events == step) {
      out.more = true;
      break;
    }
    bytes -= events.front().body.size();
    trimmed_[org.org()] = events.front().position;
    events.erase(events.begin());
    ++out.events;
  }
  co_return out;
}

void FakeStore::count(const char* verb, std::optional<storage::Kind> kind) {
  std::string what = verb;
  if (kind) what += " " + std::to_string(static_cast<int>(*kind));
  ++operations_[what];
}

std::map<std::string, size_t> FakeStore::operations() const {
  std::lock_guard lock(mutex_);
  return operations_;
}

size_t FakeStore::rows() const {
  std::lock_guard lock(mutex_);
  return rows_.size();
}

std::string FakeStore::everything() const {
  std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [key, value] : rows_) {
    out += std::get<3>(key);
    out += '\n';
    out += text(value);
    out += '\n';
  }
  return out;
}

}  // namespace wab::test
