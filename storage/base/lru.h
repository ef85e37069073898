// A map that forgets what was used least recently once its values weigh too much.
//
// One shard, no locks. References stay valid until the entry is replaced, erased or evicted; only
// put() and limit() evict. The entry put last is never evicted by its own put.
#pragma once

#include <functional>
#include <list>
#include <unordered_map>
#include <utility>

namespace wab {

template <class Key, class Value, class Hash = std::hash<Key>>
class Lru {
 public:
  explicit Lru(size_t limit_bytes) : limit_(limit_bytes) {}

  // Marks it as just used.
  Value* find(const Key& key) {
    auto at = index_.find(key);
    if (at == index_.end()) return nullptr;
    order_.splice(order_.begin(), order_, at->second);
    return &at->second->value;
  }
  // `weight` is the caller's estimate of the bytes that the entry holds.
  Value& put(Key key, Value value, size_t weight) {
    erase(key);
    order_.push_front(Entry{std::move(key), std::move(value), weight});
    index_.emplace(order_.front().key, order_.begin());
    weight_ += weight;
    shrink(1);
    return order_.front().value;
  }
  bool erase(const Key& key) {
    auto at = index_.find(key);
    if (at == index_.end()) return false;
    drop(at->second);
    return true;
  }
  template <class Predicate>
  size_t erase_if(Predicate matches) {
    size_t erased = 0;
    for (auto at = order_.begin(); at != order_.end();) {
      auto here = at++;
      if (!matches(here->key, here->value)) continue;
      drop(here);
      ++erased;
    }
    return erased;
  }
  void clear() {
    index_.clear();
    order_.clear();
    weight_ = 0;
  }
  void limit(size_t bytes) {
    limit_ = bytes;
    shrink(0);
  }

  size_t size() const { return order_.size(); }
  size_t weight() const { return weight_; }
  size_t evicted() const { return evicted_; }

 private:
  struct Entry {
    Key key;
    Value value;
    size_t weight;
  };
  using Order = std::list<Entry>;

  void drop(typename Order::iterator at) {
    weight_ -= at->weight;
    index_.erase(at->key);
    order_.erase(at);
  }
  void shrink(size_t keep) {
    while (weight_ > limit_ && order_.size() > keep) {
      drop(std::prev(order_.end()));
      ++evicted_;
    }
  }

  size_t limit_;
  size_t weight_ = 0;
  size_t evicted_ = 0;
  Order order_;  // most recently used first
  std::unordered_map<Key, typename Order::iterator, Hash> index_;
};

}  // namespace wab
