// What goes away by its age: the front of an organization's event log, in steps that read no more
// than they erase; and the dates by which RocksDB drops expired rows and marks by itself.
#include <rocksdb/write_batch.h>

#include <boost/asio/this_coro.hpp>

#include "storage/rocks_impl.h"
#include "storage/seal.h"

namespace wab::storage {
namespace {

using namespace std::chrono_literals;

constexpr auto kSentKept = std::chrono::hours(8 * 24);      // for retry receipts, dossier 2: 7 days
constexpr auto kReportsKept = std::chrono::hours(35 * 24);  // of what could not be decrypted
constexpr size_t kDeliveryKey = 56;

// Everything up to `to` is gone; gaps that it reaches are part of it from now on.
void add_front_gap(LogBounds& log, uint64_t to) {
  while (!log.gaps.empty() && log.gaps.front().from <= to) {
    to = std::max(to, log.gaps.front().to);
    log.gaps.erase(log.gaps.begin());
  }
  log.gaps.insert(log.gaps.begin(), LogGap{0, to});
}

}  // namespace

Bytes encode_restored(const Restored& restored) {
  return concat({restored.id, be64(static_cast<uint64_t>(restored.at)),
                 be64(static_cast<uint64_t>(restored.backup_at))});
}

Restored decode_restored(ByteView stored) {
  return Restored{*to_array<16>(stored.first(16)),
                  static_cast<UnixMillis>(read_be64(stored.subspan(16))),
                  static_cast<UnixMillis>(read_be64(stored.subspan(24)))};
}

class TrimTask final : public CommitWork {
 public:
  TrimTask(RocksStore::Impl& store, OrgScope org, RocksStore::Impl::Front front,
           OneShot<Result<void>> done)
      : store_(store), org_(org), front_(std::move(front)), done_(std::move(done)) {}

  size_t size() const override { return 64 + front_.keys.size() * 64; }
  Result<void> add_to(rocksdb::WriteBatch& batch) override {
    TRY_VOID(store_.admit(Scope(org_)));
    TRY(LogBounds* const log, store_.log_of(org_.org()));
    for (const auto& [column, key] : front_.keys)
      batch.Delete(store_.db->column(column), slice(key));
    log->bytes -= std::min(log->bytes, front_.bytes);
    add_front_gap(*log, front_.to);
    store_.put_log(batch, org_.org(), *log);
    return ok();
  }
  void finish(Result<void> outcome) override { done_.set(std::move(outcome)); }

 private:
  RocksStore::Impl& store_;
  OrgScope org_;
  RocksStore::Impl::Front front_;
  OneShot<Result<void>> done_;
};

class AgesTask final : public CommitWork {
 public:
  AgesTask(RocksStore::Impl& store, Bytes row, OneShot<Result<void>> done)
      : store_(store), row_(std::move(row)), done_(std::move(done)) {}
  size_t size() const override { return row_.size(); }
  Result<void> add_to(rocksdb::WriteBatch& batch) override {
    batch.Put(store_.db->own_column(), kAgesRow, slice(row_));
    return ok();
  }
  void finish(Result<void> outcome) override { done_.set(std::move(outcome)); }

 private:
  RocksStore::Impl& store_;
  Bytes row_;
  OneShot<Result<void>> done_;
};

Result<LogBounds> RocksStore::Impl::read_log(const OrgId& org) {
  TRY(const auto stored, db->get(Column::positions, position_key(org, 0)));
  if (!stored) return LogBounds();
  auto log = decode_log(*stored);
  if (!log) return fail(StoreError::corrupt, "log counter");
  return std::move(*log);
}

Result<std::map<SessionId, uint64_t>> RocksStore::Impl::first_owed(const OrgId& org) {
  std::map<SessionId, uint64_t> out;
  const Bytes all = org_prefix(org), below = upper_bound(all);
  Bytes from = all;
  // From each queue (endpoint, session) its first row; the seek behind it skips the rest.
  for (bool found = true; found;) {
    found = false;
    TRY_VOID(db->each(Column::deliveries, from, below, [&](ByteView key, ByteView) {
      found = true;
      if (key.size() == kDeliveryKey) {
        const SessionId session(*to_array<16>(key.subspan(32, 16)));
        const uint64_t seq = read_be64(key.subspan(48));
        const auto [at, fresh] = out.emplace(session, seq);
        if (!fresh) at->second = std::min(at->second, seq);
        from = upper_bound(key.first(48));
      } else {
        from = to_bytes(key);
        from.push_back(0);
      }
      return false;
    }));
  }
  return out;
}

Result<RocksStore::Impl::Front> RocksStore::Impl::log_front(const OrgId& org,
                                                            const LogRetention& keep, size_t step) {
  Front out;
  TRY(const LogBounds log, read_log(org));
  uint64_t old_below = 0, owed_below = 0;
  if (keep.age.count() > 0) {
    const std::lock_guard guard(ages_mutex);
    old_below = ages.below(keep.age);
    owed_below = ages.below(std::max<std::chrono::seconds>(keep.age, LogRetention::kOwedKept));
  }
  const bool too_large = keep.bytes != 0 && log.bytes > keep.bytes;
  if (old_below == 0 && !too_large) return out;
  std::optional<std::map<SessionId, uint64_t>> owed;
  const uint64_t trimmed = !log.gaps.empty() && log.gaps[0].from == 0 ? log.gaps[0].to : 0;
  out.to = trimmed;
  std::optional<Error> failed;
  const Bytes from = position_key(org, trimmed + 1), below = upper_bound(org_prefix(org));
  TRY_VOID(db->each(Column::positions, from, below, [&](ByteView key, ByteView value) {
    const auto place = decode_place(value);
    if (key.size() != 24 || !place) return true;
    if (out.events >= step) {
      out.more = true;
      return false;
    }
    Bytes event = event_key(org, place->session, place->seq);
    const auto stored = db->get(Column::events, event);
    if (!stored) {
      failed = stored.error();
      return false;
    }
    const ByteView record = *stored ? ByteView(**stored) : ByteView();
    const auto header = record.size() > kPositionHeader ? peek(record.subspan(kPositionHeader))
                                                        : Result<EnvelopeHeader>(EnvelopeHeader());
    const bool old = header && header->record_version < old_below;
    const bool over = keep.bytes != 0 && log.bytes > keep.bytes + out.bytes;
    if (!old && !over) return false;
    if (!owed) {
      auto first = first_owed(org);
      if (!first) {
        failed = first.error();
        return false;
      }
      owed = std::move(*first);
    }
    const auto waiting = owed->find(place->session);
    const bool is_owed = waiting != owed->end() && place->seq >= waiting->second;
    if (is_owed && !(header && header->record_version < owed_below)) return false;
    out.keys.emplace_back(Column::positions, to_bytes(key));
    out.keys.emplace_back(Column::events, std::move(event));
    out.bytes += record.size();
    out.to = read_be64(key.subspan(16));
    ++out.events;
    return true;
  }));
  if (failed) return fail(*failed);
  return out;
}

awaitable<Result<Trimmed>> RocksStore::trim_events(OrgScope org, LogRetention keep, size_t step) {
  const auto here = co_await boost::asio::this_coro::executor;
  Impl* const store = impl_.get();
  auto work = [store, org, keep, step] { return store->log_front(org.org(), keep, step); };
  CO_TRY(auto front, co_await store->disk->run(std::move(work)));
  Trimmed out;
  out.events = front.events;
  out.more = front.more;
  if (front.events == 0) co_return out;
  OneShot<Result<void>> done(here);
  auto task = std::make_unique<TrimTask>(*store, org, std::move(front), done);
  store->committer->submit(std::move(task));
  CO_TRY_VOID(co_await done.wait());
  co_return out;
}

awaitable<Result<void>> RocksStore::note_age(UnixMillis now, std::chrono::milliseconds passed,
                                             std::chrono::seconds messages) {
  const auto here = co_await boost::asio::this_coro::executor;
  Impl* const store = impl_.get();
  Bytes row;
  {
    const std::lock_guard guard(store->ages_mutex);
    if (store->ages.note(now, passed, store->record_version.load())) row = store->ages.to_bytes();
    Expiry& expiry = store->db->expiry();
    expiry.marks_until = store->ages.now() / 1000;
    const auto drop = [&](Kind kind, std::chrono::seconds age) {
      expiry.rows_below[static_cast<uint8_t>(kind)] = store->ages.below(age);
    };
    drop(Kind::sent_message, kSentKept);
    drop(Kind::retry_count, kReportsKept);
    drop(Kind::undecryptable, kReportsKept);
    drop(Kind::base_key, kReportsKept);
    drop(Kind::message, messages);
    drop(Kind::stanza_index, messages);
    drop(Kind::message_index, messages);
  }
  if (row.empty()) co_return ok();
  OneShot<Result<void>> done(here);
  auto task = std::make_unique<AgesTask>(*store, std::move(row), done);
  store->committer->submit(std::move(task));
  co_return co_await done.wait();
}

void RocksStore::compact_for_tests() {
  rocksdb::DB& db = impl_->db->raw();
  for (const Column column : {Column::rows, Column::events, Column::deliveries, Column::marks,
                              Column::positions, Column::keys}) {
    rocksdb::CompactRangeOptions all;
    all.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    db.Flush({}, impl_->db->column(column)).PermitUncheckedError();
    db.CompactRange(all, impl_->db->column(column), nullptr, nullptr).PermitUncheckedError();
  }
}

}  // namespace wab::storage
