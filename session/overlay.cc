#include "session/overlay.h"

namespace wab::session {
namespace {

constexpr size_t kMaxCleanBytes = 16 * 1024;  // per session, while it is busy

// What the next stanza is likely to read again. Everything else goes to the disk and out of memory:
// a fresh set of prekeys alone would be hundreds of rows.
bool worth_keeping(storage::Kind kind) {
  using storage::Kind;
  return kind == Kind::signal_session || kind == Kind::sender_key || kind == Kind::lid_map ||
         kind == Kind::peer_identity || kind == Kind::device_list;
}

void wipe_value(std::optional<Bytes>& value) {
  if (value) wipe(*value);
}

}  // namespace

awaitable<Result<std::optional<Bytes>>> Change::get(storage::Key key) {
  if (const auto it = rows_.find(key); it != rows_.end()) co_return it->second;
  co_return co_await overlay_.get(std::move(key));
}

awaitable<Result<void>> Change::preload(std::vector<storage::Key> keys) {
  co_return co_await overlay_.preload(std::move(keys));
}

void Change::put(storage::Kind kind, std::string name, Bytes value) {
  rows_[storage::Key{kind, std::move(name)}] = std::move(value);
}

void Change::erase(storage::Kind kind, std::string name) {
  rows_[storage::Key{kind, std::move(name)}] = std::nullopt;
}

void Change::mark(std::string name, UnixSeconds expires) {
  marks_.push_back(storage::Mark{std::move(name), expires});
}

pb::StoredHead& Change::head() {
  if (!head_) head_ = overlay_.head_;
  return *head_;
}

const pb::StoredHead& Change::head_view() const { return head_ ? *head_ : overlay_.head_; }

Overlay::Overlay(SessionContext& context) : context_(context) {}

Overlay::~Overlay() {
  for (auto* rows : {&next_.rows, &writing_.rows, &clean_}) {
    for (auto& [key, value] : *rows) wipe_value(value);
  }
}

awaitable<Result<void>> Overlay::open() {
  storage::Key key{storage::Kind::head, ""};
  CO_TRY(auto stored, co_await get(std::move(key)));
  if (stored && !head_.ParseFromArray(stored->data(), static_cast<int>(stored->size()))) {
    co_return fail(storage::StoreError::unsealed, "session head does not parse");
  }
  co_return ok();
}

const std::optional<Bytes>* Overlay::find(const storage::Key& key) const {
  for (const auto* rows : {&next_.rows, &writing_.rows, &clean_}) {
    if (const auto it = rows->find(key); it != rows->end()) return &it->second;
  }
  return nullptr;
}

awaitable<Result<std::optional<Bytes>>> Overlay::get(storage::Key key) {
  if (const auto* known = find(key)) co_return *known;
  std::vector<storage::Key> keys{key};
  CO_TRY_VOID(co_await preload(std::move(keys)));
  const auto* known = find(key);
  if (known == nullptr) co_return std::optional<Bytes>();
  co_return *known;
}

awaitable<Result<void>> Overlay::preload(std::vector<storage::Key> keys) {
  std::erase_if(keys, [this](const storage::Key& key) { return find(key) != nullptr; });
  while (!keys.empty()) {
    // What lands while the disk is asked: its answer for such a row may be the older one.
    std::set<storage::Key> overtaken;
    reads_.insert(&overtaken);
    std::vector<storage::Key> asked = keys;
    auto values = co_await context_.load(std::move(asked));
    reads_.erase(&overtaken);
    if (!values) co_return fail(values.error());
    std::vector<storage::Key> again;
    for (size_t i = 0; i < keys.size() && i < values->size(); ++i) {
      // On its way to the disk: it hides this answer now and must not leave it behind.
      if (find(keys[i]) != nullptr) continue;
      if (overtaken.contains(keys[i])) {
        again.push_back(keys[i]);
        continue;
      }
      if ((*values)[i]) clean_bytes_ += (*values)[i]->size();
      clean_.emplace(keys[i], std::move((*values)[i]));
    }
    keys = std::move(again);
  }
  co_return ok();
}

awaitable<Result<std::vector<bool>>> Overlay::marked(std::vector<std::string> names) {
  std::vector<bool> out(names.size(), false);
  for (size_t i = 0; i < names.size(); ++i) {
    for (const auto* batch : {&next_, &writing_}) {
      for (const auto& mark : batch->marks) {
        if (mark.name == names[i]) out[i] = true;
      }
    }
  }
  CO_TRY(auto stored, co_await context_.marked(std::move(names)));
  for (size_t i = 0; i < out.size() && i < stored.size(); ++i) {
    if (stored[i]) out[i] = true;
  }
  co_return out;
}

void Overlay::apply(Change change) {
  for (auto& [key, value] : change.rows_) {
    if (const auto it = clean_.find(key); it != clean_.end()) {
      if (it->second) clean_bytes_ -= it->second->size();
      wipe_value(it->second);
      clean_.erase(it);
    }
    auto& slot = next_.rows[key];
    wipe_value(slot);
    slot = std::move(value);
  }
  for (auto& mark : change.marks_) next_.marks.push_back(std::move(mark));
  for (auto& row : change.org_rows_) next_.org_rows.push_back(std::move(row));
  if (change.head_) {
    head_ = std::move(*change.head_);
    next_.head = true;
  }
  const auto& scope = context_.scope();
  const KeyedHash hash = [this](std::string_view purpose, ByteView data) {
    return context_.keyed_hash(purpose, data);
  };
  for (const auto& draft : change.events_) {
    head_.set_event_seq(head_.event_seq() + 1);
    next_.head = true;
    next_.events.push_back(render(draft, head_.event_seq(), hash, scope.org(), scope.session()));
  }
  for (auto& done : change.done_) {
    if (context_.settings().unsafe_early_ack_for_tests) {
      done();
    } else {
      next_.done.push_back(std::move(done));
    }
  }
  ++next_.changes;
  ++changes_pending_;
  wake_.notify_all();
}

awaitable<Result<void>> Overlay::commit(Change change) {
  auto landed = std::make_shared<bool>(false);
  change.then([landed] { *landed = true; });
  apply(std::move(change));
  while (!*landed && !failed_) co_await landed_.wait();
  if (!*landed) co_return fail(storage::StoreError::fenced, "the session was lost to this process");
  co_return ok();
}

awaitable<void> Overlay::wait_for_room() {
  while (changes_pending_ >= kMaxPending && !failed_) co_await landed_.wait();
}

awaitable<void> Overlay::drained() {
  while (changes_pending_ > 0 && !failed_) co_await landed_.wait();
}

storage::Commit Overlay::to_commit(const Batch& batch) const {
  storage::Commit commit(context_.scope());
  for (const auto& [key, value] : batch.rows) {
    if (value) {
      commit.put.push_back(storage::Row{key, *value});
    } else {
      commit.erase.push_back(key);
    }
  }
  if (batch.head) {
    commit.put.push_back(storage::Row{storage::Key{storage::Kind::head, ""},
                                      to_bytes(view(head_.SerializeAsString()))});
  }
  commit.marks = batch.marks;
  commit.events = batch.events;
  commit.put_org = batch.org_rows;
  return commit;
}

awaitable<Result<void>> Overlay::pump() {
  for (;;) {
    while (next_.empty() && !closed_) co_await wake_.wait();
    if (next_.empty()) co_return ok();
    if (context_.settings().unsafe_early_ack_for_tests) {
      const SteadyTime later = context_.clock().steady() + std::chrono::milliseconds(200);
      co_await sleep_until(later);
    }
    writing_ = std::move(next_);
    next_ = Batch();
    storage::Commit commit = to_commit(writing_);
    auto result = co_await context_.commit(std::move(commit));
    if (!result) {
      failed_ = true;
      landed_.notify_all();
      co_return fail(result.error());
    }
    Batch done = std::move(writing_);
    writing_ = Batch();
    settle(std::move(done));
  }
}

void Overlay::settle(Batch batch) {
  changes_pending_ -= batch.changes;
  if (clean_bytes_ > kMaxCleanBytes) forget_clean();
  for (auto& [key, value] : batch.rows) {
    for (auto* read : reads_) read->insert(key);
    if (next_.rows.contains(key) || !worth_keeping(key.kind)) {
      wipe_value(value);
      continue;
    }
    if (value) clean_bytes_ += value->size();
    clean_[key] = std::move(value);
  }
  for (auto& done : batch.done) done();
  landed_.notify_all();
}

void Overlay::close() {
  closed_ = true;
  wake_.notify_all();
}

void Overlay::forget_clean() {
  for (auto& [key, value] : clean_) wipe_value(value);
  clean_.clear();
  clean_bytes_ = 0;
}

}  // namespace wab::session
