#include "bridge/event_feed.h"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

namespace wab::bridge {

EventFeed::EventFeed(std::vector<any_io_executor> shards) {
  for (auto& executor : shards) {
    shards_.push_back(std::make_unique<Shard>());
    shards_.back()->executor = std::move(executor);
  }
}
EventFeed::~EventFeed() = default;

void EventFeed::wake(Shard& shard, std::optional<OrgId> org) {
  if (!org) {
    for (auto& [id, subscription] : shard.subscriptions) subscription->grew_.set();
    return;
  }
  const auto [first, last] = shard.subscriptions.equal_range(*org);
  for (auto it = first; it != last; ++it) it->second->grew_.set();
}

void EventFeed::grew(OrgId org) {
  for (auto& shard : shards_) {
    if (shard->watching.load() == 0) continue;
    boost::asio::post(shard->executor, [this, org, &shard = *shard] { wake(shard, org); });
  }
}

void EventFeed::close() {
  closed_ = true;
  for (auto& shard : shards_) {
    boost::asio::post(shard->executor, [this, &shard = *shard] { wake(shard, std::nullopt); });
  }
}

EventFeed::Subscription::Subscription(EventFeed& feed, size_t shard, OrgId org)
    : feed_(feed), shard_(shard), org_(org) {
  feed_.shards_[shard_]->subscriptions.emplace(org_, this);
  ++feed_.shards_[shard_]->watching;
}

EventFeed::Subscription::~Subscription() {
  auto& shard = *feed_.shards_[shard_];
  const auto [first, last] = shard.subscriptions.equal_range(org_);
  for (auto it = first; it != last; ++it) {
    if (it->second != this) continue;
    shard.subscriptions.erase(it);
    break;
  }
  --shard.watching;
}

awaitable<bool> EventFeed::Subscription::wait_until(SteadyTime deadline) {
  if (feed_.closed()) co_return false;
  const bool grew = co_await grew_.wait_until(deadline);
  grew_.reset();
  co_return grew && !feed_.closed();
}

awaitable<std::unique_ptr<EventFeed::Subscription>> EventFeed::subscribe(OrgId org) {
  const auto here = co_await boost::asio::this_coro::executor;
  size_t shard = 0;
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (shards_[i]->executor == here) shard = i;
  }
  co_return std::unique_ptr<Subscription>(new Subscription(*this, shard, org));
}

}  // namespace wab::bridge
