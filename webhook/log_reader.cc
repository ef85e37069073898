#include "webhook/log_reader.h"

#include <algorithm>

#include "webhook/log_head.h"

namespace wab::webhook {
namespace {

using storage::Kind;

constexpr uint64_t kChunk = 64;
constexpr uint64_t kMostLookedAt = 2000;
constexpr size_t kMostOfEvent = 100;

struct LogKind {
  Kind head, row;
};
constexpr LogKind kAttempts{Kind::attempt_log, Kind::attempt};
constexpr LogKind kDead{Kind::dead_log, Kind::dead_letter};

storage::Key key_of(Kind kind, std::string name) {
  storage::Key key;
  key.kind = kind;
  key.name = std::move(name);
  return key;
}

using Values = std::vector<std::optional<Bytes>>;

awaitable<Result<Values>> load_rows(storage::Store* store, storage::OrgScope org,
                                    EndpointId endpoint, Kind kind, uint64_t from, uint64_t to) {
  std::vector<storage::Key> keys;
  for (uint64_t n = from; n < to; ++n) keys.push_back(key_of(kind, log_name(endpoint, n)));
  co_return co_await store->load(org, std::move(keys));
}

// First and end of the numbers in use. The stored head may be behind the newest rows.
awaitable<Result<std::pair<uint64_t, uint64_t>>> bounds(storage::Store* store,
                                                        storage::OrgScope org, EndpointId endpoint,
                                                        LogKind kind) {
  std::vector<storage::Key> keys{key_of(kind.head, endpoint.text())};
  CO_TRY(const Values values, co_await store->load(org, std::move(keys)));
  const auto head = values[0] ? decode_log_head(*values[0]) : std::nullopt;
  if (!head) co_return std::pair<uint64_t, uint64_t>(1, 1);
  uint64_t end = head->next;
  for (bool more = true; more;) {
    CO_TRY(const Values rows,
           co_await load_rows(store, org, endpoint, kind.row, end, end + kChunk));
    more = false;
    const uint64_t base = end;
    for (uint64_t i = 0; i < rows.size(); ++i) {
      if (!rows[i]) continue;
      end = base + i + 1;
      more = true;
    }
  }
  co_return std::pair<uint64_t, uint64_t>(head->first, end);
}

template <class Row>
awaitable<Result<LogPage<Row>>> read_log(storage::Store* store, storage::OrgScope org,
                                         EndpointId endpoint, LogKind kind, uint64_t before,
                                         size_t limit, std::function<bool(const Row&)> wanted,
                                         std::optional<Row> (*decode)(ByteView)) {
  LogPage<Row> page;
  CO_TRY(const auto range, co_await bounds(store, org, endpoint, kind));
  uint64_t at = before == 0 ? range.second : std::min(before, range.second);
  uint64_t looked = 0;
  while (at > range.first && page.rows.size() < limit && looked < kMostLookedAt) {
    const uint64_t from = std::max(range.first, at > kChunk ? at - kChunk : 1);
    CO_TRY(const Values rows, co_await load_rows(store, org, endpoint, kind.row, from, at));
    for (uint64_t n = at; n > from && page.rows.size() < limit; --n) {
      at = n - 1;
      ++looked;
      const auto& stored = rows[at - from];
      auto row = stored ? decode(*stored) : std::nullopt;
      if (row && (!wanted || wanted(*row))) page.rows.emplace_back(at, std::move(*row));
    }
  }
  page.before = at > range.first ? at : 0;
  co_return page;
}

}  // namespace

awaitable<Result<LogPage<Attempt>>> read_attempts(storage::Store* store, storage::OrgScope org,
                                                  EndpointId endpoint, uint64_t before,
                                                  size_t limit,
                                                  std::function<bool(const Attempt&)> wanted) {
  co_return co_await read_log<Attempt>(store, org, endpoint, kAttempts, before, limit,
                                       std::move(wanted), &decode_attempt);
}

awaitable<Result<LogPage<DeadLetter>>> read_dead_letters(storage::Store* store,
                                                         storage::OrgScope org, EndpointId endpoint,
                                                         uint64_t before, size_t limit) {
  std::function<bool(const DeadLetter&)> all;
  co_return co_await read_log<DeadLetter>(store, org, endpoint, kDead, before, limit,
                                          std::move(all), &decode_dead_letter);
}

awaitable<Result<uint64_t>> dead_letters_end(storage::Store* store, storage::OrgScope org,
                                             EndpointId endpoint) {
  CO_TRY(const auto range, co_await bounds(store, org, endpoint, kDead));
  co_return range.second;
}

awaitable<Result<std::vector<std::pair<uint64_t, Attempt>>>> attempts_of_event(
    storage::Store* store, storage::OrgScope org, EndpointId endpoint, std::string event_id) {
  std::vector<std::pair<uint64_t, Attempt>> out;
  std::vector<storage::Key> keys{
      key_of(Kind::attempt_of_event, attempt_of_event_name(event_id, endpoint))};
  CO_TRY(const Values newest, co_await store->load(org, std::move(keys)));
  uint64_t number = newest[0] && newest[0]->size() == 8 ? read_be64(*newest[0]) : 0;
  while (number != 0 && out.size() < kMostOfEvent) {
    CO_TRY(const Values row,
           co_await load_rows(store, org, endpoint, Kind::attempt, number, number + 1));
    auto attempt = row[0] ? decode_attempt(*row[0]) : std::nullopt;
    if (!attempt || attempt->event_id != event_id || attempt->previous >= number) {
      if (attempt && attempt->event_id == event_id) out.emplace_back(number, std::move(*attempt));
      break;
    }
    const uint64_t previous = attempt->previous;
    out.emplace_back(number, std::move(*attempt));
    number = previous;
  }
  co_return out;
}

}  // namespace wab::webhook
