// The reading half of RocksStore, on the disk pool.
#include <algorithm>

#include "storage/rocks_impl.h"

namespace wab::storage {
namespace {

constexpr size_t kMostRows = 1000;
constexpr size_t kMostPageBytes = 8u << 20;  // a page ends after the row that crosses this

size_t rows_of(size_t limit) { return std::clamp<size_t>(limit, 1, kMostRows); }

// PoolError to the one name that callers of the store know.
template <class T>
Result<T> as_store_error(Result<T> result) {
  if (!result && (result.error().is(PoolError::full) || result.error().is(PoolError::stopped))) {
    return fail(StoreError::busy, "disk pool");
  }
  return result;
}

}  // namespace

Result<std::vector<std::optional<Bytes>>> RocksStore::Impl::read_rows(
    const Scope& scope, const std::vector<Key>& names) {
  TRY_VOID(admit(scope));
  std::vector<std::optional<Bytes>> values(names.size());
  TRY(const Keys keys, load_keys(scope.org()));
  if (!keys) return values;
  for (size_t i = 0; i < names.size(); ++i) {
    TRY_VOID(prove_kind(*keys, scope, static_cast<uint8_t>(names[i].kind)));
    const Bytes key = row_key(*keys, scope, names[i]);
    TRY(const auto value, db->get(Column::rows, key));
    if (!value) continue;
    TRY(const Bytes opened,
        open_value(*keys, Column::rows, scope.org(), scope.session(), key, *value));
    auto row = decode_row(names[i].kind, opened);
    if (!row) return distrust(scope.org(), scope.session(), Column::rows, "row encoding");
    values[i] = std::move(row->value);
  }
  return values;
}

Result<RocksStore::Page> RocksStore::Impl::read_page(const Scope& scope, Kind kind,
                                                     const std::string& after, size_t limit) {
  TRY_VOID(admit(scope));
  Page page;
  TRY(const Keys keys, load_keys(scope.org()));
  if (!keys) return page;
  TRY_VOID(prove_kind(*keys, scope, static_cast<uint8_t>(kind)));
  const Bytes prefix = kind_prefix(scope, kind), below = upper_bound(prefix);
  Bytes from = prefix;
  if (!after.empty()) {
    const auto cursor = from_hex(after);
    if (!cursor || cursor->size() != 16) return fail(StoreError::not_found, "scan cursor");
    append(from, *cursor);
    from.push_back(0);
  }
  std::optional<Error> failed;
  Bytes last;
  size_t bytes = 0;
  const auto read = db->each(Column::rows, from, below, [&](ByteView key, ByteView value) {
    if (page.rows.size() >= rows_of(limit) || bytes >= kMostPageBytes) {
      page.next = to_hex(ByteView(last).subspan(prefix.size()));
      return false;
    }
    const auto opened = open_value(*keys, Column::rows, scope.org(), scope.session(), key, value);
    auto row = opened ? decode_row(kind, *opened) : std::nullopt;
    if (!row) {
      failed = opened ? distrust(scope.org(), scope.session(), Column::rows, "row encoding").value()
                      : opened.error();
      return false;
    }
    bytes += row->value.size() + row->key.name.size();
    page.rows.push_back(std::move(*row));
    last = to_bytes(key);
    return true;
  });
  if (failed) return fail(*failed);
  if (!read) return fail(read.error());
  return page;
}

Result<std::vector<bool>> RocksStore::Impl::read_marks(const Scope& scope,
                                                       const std::vector<std::string>& names,
                                                       UnixSeconds now) {
  TRY_VOID(admit(scope));
  std::vector<bool> marked(names.size());
  TRY(const Keys keys, load_keys(scope.org()));
  if (!keys) return marked;
  for (size_t i = 0; i < names.size(); ++i) {
    const Bytes key = mark_key(*keys, scope, names[i]);
    TRY(const auto value, db->get(Column::marks, key));
    if (!value) continue;
    const auto expires = decode_mark(*keys, key, *value);
    if (!expires) return distrust(scope.org(), scope.session(), Column::marks, "mark");
    marked[i] = *expires > now;
  }
  return marked;
}

Result<std::optional<EventRow>> RocksStore::Impl::read_event(const OrgKeys& keys, const OrgId& org,
                                                             const SessionId& session, uint64_t seq,
                                                             uint64_t expected) {
  const Bytes key = event_key(org, session, seq);
  TRY(const auto value, db->get(Column::events, key));
  if (!value) return std::optional<EventRow>();
  const auto placed = decode_position(keys, key, *value);
  if (!placed || (expected != 0 && placed->position != expected)) {
    return distrust(org, session, Column::events, "event position");
  }
  TRY(const Bytes opened, open_value(keys, Column::events, org, session, key, placed->envelope));
  auto event = decode_event(opened);
  if (!event) return distrust(org, session, Column::events, "event encoding");
  event->session = session;
  event->seq = seq;
  event->position = placed->position;
  return event;
}

// An event that does not open puts its session in quarantine and is left out: it must not hold up
// the followers of the whole organization.
Result<std::vector<EventRow>> RocksStore::Impl::read_events(const OrgId& org, uint64_t position,
                                                            size_t limit) {
  std::vector<EventRow> events;
  TRY(const Keys keys, load_keys(org));
  if (!keys || position == UINT64_MAX) return events;
  std::optional<Error> failed;
  size_t bytes = 0;
  const Bytes from = position_key(org, position + 1), below = upper_bound(org_prefix(org));
  const auto read = db->each(Column::positions, from, below, [&](ByteView key, ByteView value) {
    const auto place = decode_place(value);
    if (!place || key.size() != 24) return true;
    auto event = read_event(*keys, org, place->session, place->seq, read_be64(key.subspan(16)));
    if (!event && !event.error().is(StoreError::unsealed)) {
      failed = event.error();
      return false;
    }
    if (event && *event) {
      bytes += (*event)->body.size();
      events.push_back(std::move(**event));
    }
    return events.size() < rows_of(limit) && bytes < kMostPageBytes;
  });
  if (failed) return fail(*failed);
  if (!read) return fail(read.error());
  return events;
}

Result<std::vector<DeliveryRow>> RocksStore::Impl::read_deliveries(
    const OrgId& org, const EndpointId& endpoint, const std::optional<DeliveryKey>& after,
    size_t limit) {
  std::vector<DeliveryRow> rows;
  TRY(const Keys keys, load_keys(org));
  if (!keys) return rows;
  const Bytes prefix = endpoint_prefix(org, endpoint), below = upper_bound(prefix);
  Bytes from = prefix;
  if (after) {
    from = delivery_key(org, DeliveryKey{endpoint, after->session, after->seq});
    from.push_back(0);
  }
  const auto read = db->each(Column::deliveries, from, below, [&](ByteView key, ByteView value) {
    if (key.size() != 56) return true;
    DeliveryRow row;
    row.endpoint = endpoint;
    row.session = SessionId(*to_array<16>(key.subspan(32, 16)));
    row.seq = read_be64(key.subspan(48));
    const auto opened = open_value(*keys, Column::deliveries, org, row.session, key, value);
    if (!opened) return true;  // its session is in quarantine now; others go on
    if (!decode_delivery(*opened, row)) {
      distrust(org, row.session, Column::deliveries, "delivery encoding");
      return true;
    }
    rows.push_back(std::move(row));
    return rows.size() < rows_of(limit);
  });
  if (!read) return fail(read.error());
  return rows;
}

Result<std::map<EndpointId, uint64_t>> RocksStore::Impl::count_deliveries(const OrgId& org) {
  std::map<EndpointId, uint64_t> counts;
  const Bytes prefix = org_prefix(org), below = upper_bound(prefix);
  TRY_VOID(db->each(Column::deliveries, prefix, below, [&](ByteView key, ByteView) {
    if (key.size() == 56) ++counts[EndpointId(*to_array<16>(key.subspan(16, 16)))];
    return true;
  }));
  return counts;
}

Result<RocksStore::Impl::Scattered> RocksStore::Impl::scattered_keys(const OrgId& org,
                                                                     const SessionId& session,
                                                                     size_t most) {
  Scattered out;
  Keyed& keys = out.keys;
  const Bytes events = session_prefix(org, session), all = org_prefix(org);
  TRY_VOID(db->each(Column::events, events, upper_bound(events), [&](ByteView key, ByteView value) {
    if (value.size() >= 8)
      keys.emplace_back(Column::positions, position_key(org, read_be64(value)));
    keys.emplace_back(Column::events, to_bytes(key));
    out.event_bytes += value.size();
    return keys.size() < most;
  }));
  if (keys.size() >= most) return out;
  TRY_VOID(db->each(Column::deliveries, all, upper_bound(all), [&](ByteView key, ByteView) {
    const bool ours = key.size() == 56 &&
                      std::equal(session.bytes().begin(), session.bytes().end(), key.begin() + 32);
    if (ours) keys.emplace_back(Column::deliveries, to_bytes(key));
    return keys.size() < most;
  }));
  return out;
}

awaitable<Result<std::vector<std::optional<Bytes>>>> RocksStore::load(Scope scope,
                                                                      std::vector<Key> keys) {
  auto work = [store = impl_.get(), scope, keys = std::move(keys)] {
    return store->read_rows(scope, keys);
  };
  auto result = co_await impl_->disk->run(std::move(work));
  co_return as_store_error(std::move(result));
}

awaitable<Result<RocksStore::Page>> RocksStore::scan(Scope scope, Kind kind, std::string after,
                                                     size_t limit) {
  auto work = [store = impl_.get(), scope, kind, after = std::move(after), limit] {
    return store->read_page(scope, kind, after, limit);
  };
  auto result = co_await impl_->disk->run(std::move(work));
  co_return as_store_error(std::move(result));
}

awaitable<Result<std::vector<bool>>> RocksStore::marked(Scope scope, std::vector<std::string> names,
                                                        UnixSeconds now) {
  auto work = [store = impl_.get(), scope, names = std::move(names), now] {
    return store->read_marks(scope, names, now);
  };
  auto result = co_await impl_->disk->run(std::move(work));
  co_return as_store_error(std::move(result));
}

awaitable<Result<std::vector<EventRow>>> RocksStore::events_after(OrgScope org, uint64_t position,
                                                                  size_t limit) {
  auto work = [store = impl_.get(), org, position, limit] {
    return store->read_events(org.org(), position, limit);
  };
  auto result = co_await impl_->disk->run(std::move(work));
  co_return as_store_error(std::move(result));
}

awaitable<Result<uint64_t>> RocksStore::stored_bytes(OrgScope org) {
  auto work = [store = impl_.get(), org]() -> Result<uint64_t> {
    const Bytes from = org_prefix(org.org()), below = upper_bound(from);
    uint64_t total = 0;
    for (const auto column : {Column::rows, Column::events, Column::deliveries, Column::marks}) {
      total += store->db->approximate_size(column, from, below);
    }
    return total;
  };
  auto result = co_await impl_->disk->run(std::move(work));
  co_return as_store_error(std::move(result));
}

awaitable<Result<std::optional<EventRow>>> RocksStore::event(Scope session, uint64_t seq) {
  auto work = [store = impl_.get(), session, seq]() -> Result<std::optional<EventRow>> {
    TRY(const auto keys, store->load_keys(session.org()));
    if (!keys) return std::optional<EventRow>();
    return store->read_event(*keys, session.org(), session.session(), seq, 0);
  };
  auto result = co_await impl_->disk->run(std::move(work));
  co_return as_store_error(std::move(result));
}

awaitable<Result<LogBounds>> RocksStore::event_log(OrgScope org) {
  auto work = [store = impl_.get(), org] { return store->read_log(org.org()); };
  auto result = co_await impl_->disk->run(std::move(work));
  co_return as_store_error(std::move(result));
}

awaitable<Result<std::vector<DeliveryRow>>> RocksStore::deliveries(OrgScope org,
                                                                   EndpointId endpoint,
                                                                   std::optional<DeliveryKey> after,
                                                                   size_t limit) {
  auto work = [store = impl_.get(), org, endpoint, after = std::move(after), limit] {
    return store->read_deliveries(org.org(), endpoint, after, limit);
  };
  auto result = co_await impl_->disk->run(std::move(work));
  co_return as_store_error(std::move(result));
}

awaitable<Result<std::map<EndpointId, uint64_t>>> RocksStore::owed(OrgScope org) {
  auto work = [store = impl_.get(), org] { return store->count_deliveries(org.org()); };
  auto result = co_await impl_->disk->run(std::move(work));
  co_return as_store_error(std::move(result));
}

}  // namespace wab::storage
