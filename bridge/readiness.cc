#include "bridge/readiness.h"

#include <boost/asio/this_coro.hpp>

#include "storage/base/shards.h"

namespace wab::bridge {

using storage::Kind;

Readiness::Readiness(storage::Store& store, storage::Scope deployment, Clock& clock, Random& random,
                     std::function<std::string()> not_ready)
    : store_(store),
      deployment_(deployment),
      clock_(clock),
      random_(random),
      not_ready_(std::move(not_ready)) {}

// A fresh value each time: what is read back must be what was just sealed.
awaitable<void> Readiness::ask_store() {
  const storage::Key key{Kind::deployment_meta, "readiness"};
  const Bytes value = random_.bytes(32);
  storage::Commit commit(deployment_);
  commit.put.push_back(storage::Row{key, value});
  auto written = co_await store_.commit(std::move(commit));
  std::string trouble;
  if (!written) {
    trouble = "the store does not take a record: " + std::string(written.error().name());
  } else {
    std::vector<storage::Key> keys{key};
    auto read = co_await store_.load(deployment_, std::move(keys));
    if (!read) {
      trouble = "a sealed record does not open: " + std::string(read.error().name());
    } else if (read->empty() || !read->front() || *read->front() != value) {
      trouble = "the store does not give back what it took";
    }
  }
  good_ = trouble.empty();
  trouble_ = std::move(trouble);
  asked_ = clock_.steady();
  asking_ = false;
  answered_.notify_all();
}

awaitable<std::string> Readiness::look() {
  std::string service = not_ready_();
  if (!service.empty()) co_return service;
  const SteadyTime now = clock_.steady();
  if (!asking_ && (asked_ == SteadyTime{} || now - asked_ >= kRemembered)) {
    asking_ = true;
    auto here = co_await boost::asio::this_coro::executor;
    if (!spawn(here, gate_, ask_store(), "readiness")) asking_ = false;
  }
  if (asking_) {
    const SteadyTime until = std::chrono::steady_clock::now() + kPatience;
    const bool in_time = co_await answered_.wait_until(until);
    if (!in_time && asking_) {
      co_return std::string("the store does not answer within 3 s; is the disk well?");
    }
  }
  co_return good_ ? std::string() : trouble_;
}

}  // namespace wab::bridge
