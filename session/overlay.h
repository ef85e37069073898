// The unsaved view over a session's stored records; what was changed in it becomes one commit.
//
// Owned by the Engine, on the session's shard. One turn (turn.h) at a time makes a Change: it reads
// through the change to the overlay to the store, and at its end hands everything over at once with
// apply(). The pump then writes what has piled up, in order, one commit after another; callbacks
// run when their change is durable. Nobody waits for the disk between two stanzas, and no code ever
// rolls back: a commit that fails ends the process or the session (architecture section 7).
//
// Values may hold key material: they are wiped when they leave the overlay.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>

#include "session/context.h"
#include "session/event.h"
#include "session/proto/stored.pb.h"
#include "storage/base/async.h"

namespace wab::session {

class Overlay;

class Change {
 public:
  explicit Change(Overlay& overlay) : overlay_(overlay) {}

  awaitable<Result<std::optional<Bytes>>> get(storage::Key key);
  // Fetches several at once, so that the gets that follow do not go to the disk one by one.
  awaitable<Result<void>> preload(std::vector<storage::Key> keys);
  void put(storage::Kind kind, std::string name, Bytes value);
  void erase(storage::Kind kind, std::string name);
  void mark(std::string name, UnixSeconds expires);
  void emit(EventDraft draft) { events_.push_back(std::move(draft)); }
  void put_org(storage::Row row) { org_rows_.push_back(std::move(row)); }
  // Counters; written together with the change.
  pb::StoredHead& head();
  const pb::StoredHead& head_view() const;
  // Runs on the shard once the change is durable. Not called when the session ends before that.
  void then(std::function<void()> done) { done_.push_back(std::move(done)); }
  bool empty() const { return rows_.empty() && events_.empty() && marks_.empty() && !head_; }

 private:
  friend class Overlay;
  Overlay& overlay_;
  std::map<storage::Key, std::optional<Bytes>> rows_;
  std::vector<storage::Mark> marks_;
  std::vector<EventDraft> events_;
  std::vector<storage::Row> org_rows_;
  std::optional<pb::StoredHead> head_;
  std::vector<std::function<void()>> done_;
};

class Overlay {
 public:
  explicit Overlay(SessionContext& context);
  ~Overlay();

  // Reads the head. Once, before anything else.
  awaitable<Result<void>> open();
  const pb::StoredHead& head() const { return head_; }

  awaitable<Result<std::optional<Bytes>>> get(storage::Key key);
  awaitable<Result<void>> preload(std::vector<storage::Key> keys);
  // True where a mark exists, durable or still on its way.
  awaitable<Result<std::vector<bool>>> marked(std::vector<std::string> names);

  void apply(Change change);
  // apply() and wait until it is durable.
  awaitable<Result<void>> commit(Change change);

  // Changes that are not durable yet. Readers of the socket pause above kMaxPending.
  size_t pending() const { return changes_pending_; }
  static constexpr size_t kMaxPending = 64;
  awaitable<void> wait_for_room();
  awaitable<void> drained();

  // Writes until close() and nothing is left. The session runs it as its own coroutine. An error
  // means that the session is lost to this process (fenced, quarantined).
  awaitable<Result<void>> pump();
  void close();

  // Gives the memory of clean records back; the next read goes to the store.
  void forget_clean();

 private:
  friend class Change;
  struct Batch {
    std::map<storage::Key, std::optional<Bytes>> rows;
    std::vector<storage::Mark> marks;
    std::vector<storage::EventRow> events;
    std::vector<storage::Row> org_rows;
    bool head = false;
    size_t changes = 0;
    std::vector<std::function<void()>> done;
    bool empty() const { return changes == 0; }
  };
  const std::optional<Bytes>* find(const storage::Key& key) const;
  storage::Commit to_commit(const Batch& batch) const;
  void settle(Batch batch);

  SessionContext& context_;
  pb::StoredHead head_;
  Batch next_;     // being collected
  Batch writing_;  // on its way to the disk
  std::map<storage::Key, std::optional<Bytes>> clean_;
  size_t clean_bytes_ = 0;
  std::set<std::set<storage::Key>*> reads_;  // rows that landed during each read of the disk
  size_t changes_pending_ = 0;
  bool closed_ = false;
  bool failed_ = false;
  Event wake_;
  Event landed_;
};

}  // namespace wab::session
