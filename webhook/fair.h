// Whose turn it is: organizations one after another, and within each its endpoints. Pure.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "storage/base/ids.h"

namespace wab::webhook {

class Fair {
 public:
  struct Turn {
    OrgId org;
    EndpointId endpoint;
  };
  // At the end of its organization's row; an organization that comes anew is served last.
  void add(const OrgId& org, const EndpointId& endpoint) {
    auto& row = rows_[org];
    if (row.empty()) orgs_.push_back(org);
    row.push_back(endpoint);
    ++size_;
  }
  // Takes the next one out; the organization goes to the end.
  std::optional<Turn> take() {
    if (orgs_.empty()) return std::nullopt;
    Turn turn{orgs_.front(), {}};
    orgs_.pop_front();
    const auto it = rows_.find(turn.org);
    turn.endpoint = it->second.front();
    it->second.pop_front();
    --size_;
    if (it->second.empty()) {
      rows_.erase(it);
    } else {
      orgs_.push_back(turn.org);
    }
    return turn;
  }
  size_t size() const { return size_; }
  size_t organizations() const { return orgs_.size(); }

 private:
  std::deque<OrgId> orgs_;
  std::map<OrgId, std::deque<EndpointId>> rows_;
  size_t size_ = 0;
};

}  // namespace wab::webhook
