#include "bridge/backlog.h"

#include <algorithm>

namespace wab::bridge {

uint64_t Backlog::Account::owed() const {
  return static_cast<uint64_t>(std::max<int64_t>(owed_.load(std::memory_order_relaxed), 0));
}

void Backlog::Account::add(int64_t count) {
  const int64_t now = owed_.fetch_add(count, std::memory_order_relaxed) + count;
  if (now >= limit_) {
    full_.store(true, std::memory_order_relaxed);
  } else if (now < limit_ - limit_ / 10) {
    full_.store(false, std::memory_order_relaxed);
  }
  bool crossed = false;
  if (now >= limit_ - limit_ / 5) {
    crossed = !high_.exchange(true, std::memory_order_relaxed);
  } else if (now < low()) {
    crossed = high_.exchange(false, std::memory_order_relaxed);
  }
  if (crossed && watcher_ && *watcher_) (*watcher_)(org_);
}

void Backlog::Account::was_high() {
  if (owed_.load(std::memory_order_relaxed) >= low()) high_.store(true, std::memory_order_relaxed);
}

Backlog::Backlog(uint64_t limit, Watcher watcher)
    : limit_(limit),
      watcher_(std::make_shared<const Watcher>(std::move(watcher))),
      table_(std::make_shared<const Table>()) {}
Backlog::~Backlog() = default;

std::shared_ptr<Backlog::Account> Backlog::of(const OrgId& org) {
  auto before = table_.load();
  for (;;) {
    if (const auto it = before->find(org); it != before->end()) return it->second;
    auto table = std::make_shared<Table>(*before);
    auto account = std::make_shared<Account>(org, limit_, watcher_);
    table->emplace(org, account);
    std::shared_ptr<const Table> after = std::move(table);
    if (table_.compare_exchange_weak(before, after)) return account;
  }
}

void Backlog::forget(const OrgId& org) {
  auto before = table_.load();
  std::shared_ptr<const Table> after;
  do {
    auto table = std::make_shared<Table>(*before);
    table->erase(org);
    after = std::move(table);
  } while (!table_.compare_exchange_weak(before, after));
}

uint64_t Backlog::owed() const {
  uint64_t out = 0;
  const auto table = table_.load();
  for (const auto& [org, account] : *table) out += account->owed();
  return out;
}

size_t Backlog::full() const {
  const auto table = table_.load();
  return static_cast<size_t>(std::count_if(table->begin(), table->end(),
                                           [](const auto& one) { return one.second->full(); }));
}

}  // namespace wab::bridge
