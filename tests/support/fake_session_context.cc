#include "tests/support/fake_session_context.h"

#include "session/wire/websocket.h"
#include "tests/support/run.h"

namespace wab::test {

awaitable<void> Valve::pass() {
  ++waiting_;
  while (!open_) co_await moved_.wait();
  --waiting_;
}

FakeSessionContext::FakeSessionContext(any_io_executor executor)
    : executor_(std::move(executor)),
      scope_(issuer_.organization(OrgId(ByteArray<16>{1})), SessionId(ByteArray<16>{2})) {}

awaitable<Result<std::vector<std::optional<Bytes>>>> FakeSessionContext::load(
    std::vector<storage::Key> keys) {
  auto out = co_await store.load(scope_, std::move(keys));
  co_await loads.pass();
  co_return out;
}

awaitable<Result<storage::Store::Page>> FakeSessionContext::scan(storage::Kind kind,
                                                                 std::string after, size_t limit) {
  co_return co_await store.scan(scope_, kind, std::move(after), limit);
}

awaitable<Result<std::vector<bool>>> FakeSessionContext::marked(std::vector<std::string> names) {
  co_return co_await store.marked(scope_, std::move(names), time.now_s());
}

awaitable<Result<void>> FakeSessionContext::commit(storage::Commit commit) {
  co_await commits.pass();
  if (commit_failure) co_return fail(*commit_failure);
  written.push_back(commit);
  auto done = co_await store.commit(std::move(commit));
  if (!done) co_return fail(done.error());
  co_return ok();
}

ByteArray<32> FakeSessionContext::keyed_hash(std::string_view purpose, ByteView data) {
  return store.keyed_hash(scope_.org_scope(), purpose, data);
}

awaitable<Result<std::unique_ptr<wire::WebSocket>>> FakeSessionContext::dial() {
  co_return fail(wire::WireError::refused, "there is no network here");
}

awaitable<void> FakeSessionContext::compute(std::function<void()> work) {
  work();
  co_return;
}

std::optional<Bytes> FakeSessionContext::stored(storage::Kind kind, const std::string& name) {
  std::optional<Bytes> out;
  std::function<awaitable<void>()> read;
  struct Read {
    static awaitable<void> run(FakeStore& from, storage::Scope scope, storage::Key key,
                               std::optional<Bytes>& to) {
      std::vector<storage::Key> keys{std::move(key)};
      auto rows = co_await from.load(scope, std::move(keys));
      if (rows) to = std::move(rows->at(0));
    }
  };
  const storage::Key key{kind, name};
  read = [&] { return Read::run(store, scope_, key, out); };
  run_async(std::move(read));  // a store in memory answers without waiting
  return out;
}

}  // namespace wab::test
