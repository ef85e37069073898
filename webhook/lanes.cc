#include "webhook/lanes.h"

#include <algorithm>

namespace wab::webhook {

Lanes::Name Lanes::name_of(const Item& item) const {
  Name name;
  name.session = item.session;
  if (ordering_ != Ordering::session) name.lane = item.lane;
  if (ordering_ == Ordering::none) name.seq = item.seq;
  return name;
}

Lanes::Push Lanes::push(Item item, bool beyond) {
  if (known_.contains({item.session, item.seq})) return Push::taken;
  if (size_ >= bound_) return Push::full;
  const Name name = name_of(item);
  Lane& lane = lanes_[name];
  if (lane.items.size() >= per_lane_ && !beyond) return Push::lane_full;
  known_.insert({item.session, item.seq});
  ++size_;
  const bool first = lane.items.empty();
  // Commits of one session arrive in order; a replayed one may come behind a newer.
  const auto at =
      std::upper_bound(lane.items.begin() + (lane.busy ? 1 : 0), lane.items.end(), item.seq,
                       [](uint64_t seq, const Item& other) { return seq < other.seq; });
  const bool new_head = !lane.busy && at == lane.items.begin() && !first;
  if (new_head) due_.erase({lane.items.front().state.due, name});
  lane.items.insert(at, std::move(item));
  if (first || new_head) make_ready(name, lane);
  return Push::taken;
}

void Lanes::make_ready(const Name& name, Lane& lane) {
  if (!lane.busy && !lane.items.empty()) due_.insert({lane.items.front().state.due, name});
}

std::optional<Item> Lanes::next(UnixMillis now) {
  if (due_.empty() || due_.begin()->first > now) return std::nullopt;
  const Name name = due_.begin()->second;
  due_.erase(due_.begin());
  Lane& lane = lanes_[name];
  lane.busy = true;
  ++in_flight_;
  return lane.items.front();
}

void Lanes::done(const Item& item) {
  const Name name = name_of(item);
  const auto it = lanes_.find(name);
  if (it == lanes_.end()) return;
  Lane& lane = it->second;
  lane.busy = false;
  lane.items.pop_front();
  forget(item);
  --in_flight_;
  if (lane.items.empty()) {
    lanes_.erase(it);
  } else {
    make_ready(name, lane);
  }
}

void Lanes::later(const Item& item, DeliveryState state) {
  const Name name = name_of(item);
  const auto it = lanes_.find(name);
  if (it == lanes_.end()) return;
  it->second.busy = false;
  it->second.items.front().state = state;
  --in_flight_;
  make_ready(name, it->second);
}

std::optional<UnixMillis> Lanes::next_due() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

size_t Lanes::lane_size(const Name& name) const {
  const auto it = lanes_.find(name);
  return it == lanes_.end() ? 0 : it->second.items.size();
}

uint64_t Lanes::last_seq(const Name& name) const { return lanes_.at(name).items.back().seq; }

}  // namespace wab::webhook
