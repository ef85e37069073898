#include "webhook/backlog.h"

namespace wab::webhook {

void Backlog::start_again() {
  open_.clear();
  hungry_.clear();
  scanned_.reset();
  complete_ = false;
}

void Backlog::leave_open(const Lanes::Name& name, Place after) {
  open_.emplace(name, after);
  // Bounded: beyond this it is cheaper to read everything again.
  if (open_.size() > kMostOpen) start_again();
}

void Backlog::take(Item item) {
  const Place place(item.session, item.seq);
  if (!complete_ && (!scanned_ || place > *scanned_)) return;  // will be read
  const auto name = lanes_.name_of(item);
  const auto open = open_.find(name);
  if (open != open_.end() && place > open->second) return;
  // Older than what its lane holds: replayed. It cannot wait for the rows behind that.
  const bool older = lanes_.lane_size(name) > 0 && place.second < lanes_.last_seq(name);
  switch (lanes_.push(std::move(item), older || open != open_.end())) {
    case Lanes::Push::taken:
      return;
    case Lanes::Push::lane_full:
      leave_open(name, Place(place.first, lanes_.last_seq(name)));
      return;
    case Lanes::Push::full:
      // Back to before it. Sequence numbers begin with 1.
      complete_ = false;
      if (!scanned_ || *scanned_ >= place) scanned_ = Place(place.first, place.second - 1);
      return;
  }
}

void Backlog::offer(Item item) {
  if (!reading_) return take(std::move(item));
  if (pending_.size() < kMostPending) {
    pending_.push_back(std::move(item));
  } else {
    start_again();
    pending_.clear();
    reading_ = false;  // the page under way is dropped: see end_read()
  }
}

void Backlog::done(const Item& item) {
  lanes_.done(item);
  if (reading_) ended_.insert({item.session, item.seq});
  const auto name = lanes_.name_of(item);
  if (open_.contains(name) && lanes_.lane_size(name) <= per_lane_ / 4) hungry_.insert(name);
}

bool Backlog::wants_reading() const {
  if (!complete_ && lanes_.size() <= lanes_.bound() / 2) return true;
  return !hungry_.empty() && lanes_.size() <= lanes_.bound() * 3 / 4;
}

std::optional<Backlog::Place> Backlog::begin_read() {
  reading_ = true;
  ended_.clear();
  pending_.clear();
  refilling_ = !hungry_.empty();
  filling_ = hungry_;
  if (!refilling_) return scanned_;
  std::optional<Place> from;
  for (const auto& name : hungry_) {
    const Place& after = open_.at(name);
    if (!from || after < *from) from = after;
  }
  return from;
}

void Backlog::fail_read() { end_read(std::vector<Item>(kPage + 1)); }

void Backlog::end_read(std::vector<Item> rows) {
  const bool usable = reading_ && rows.size() <= kPage;
  reading_ = false;
  if (usable && refilling_) refill(rows);
  if (usable && !refilling_) scan(rows);
  ended_.clear();
  auto pending = std::move(pending_);
  pending_.clear();
  for (auto& item : pending) take(std::move(item));
}

void Backlog::scan(std::vector<Item>& rows) {
  const bool last = rows.size() < kPage;
  for (auto& item : rows) {
    const Place place(item.session, item.seq);
    const auto name = lanes_.name_of(item);
    const auto open = open_.find(name);
    const bool older = open != open_.end() && place <= open->second;
    if (!ended_.contains(place) && (older || open == open_.end())) {
      const auto pushed = lanes_.push(std::move(item), older);
      if (pushed == Lanes::Push::full) return;
      if (pushed == Lanes::Push::lane_full) {
        leave_open(name, Place(place.first, lanes_.last_seq(name)));
        if (open_.empty()) return;  // it starts again
      }
    }
    scanned_ = place;
  }
  if (last) complete_ = true;
}

void Backlog::refill(std::vector<Item>& rows) {
  const bool last = rows.size() < kPage;
  std::optional<Place> reached;
  bool full = false;
  for (auto& item : rows) {
    const Place place(item.session, item.seq);
    const auto name = lanes_.name_of(item);
    const auto open = open_.find(name);
    if (open != open_.end() && filling_.contains(name) && place > open->second &&
        !ended_.contains(place)) {
      const auto pushed = lanes_.push(std::move(item));
      if (pushed == Lanes::Push::full) {
        full = true;
        break;
      }
      if (pushed == Lanes::Push::lane_full) {
        hungry_.erase(name);
        filling_.erase(name);
      } else {
        open->second = place;
      }
    }
    reached = place;
  }
  // Only those that the read was for: another lane's rows may lie before where it began.
  for (const auto& name : filling_) {
    const auto open = open_.find(name);
    if (open == open_.end()) continue;
    if (reached && open->second < *reached) open->second = *reached;
    if (last && !full) {
      open_.erase(open);
      hungry_.erase(name);
    }
  }
  filling_.clear();
}

bool Backlog::make_room(UnixMillis now) {
  if (complete() || lanes_.size() <= lanes_.bound() / 2) return false;
  const size_t before = lanes_.size();
  std::vector<std::pair<Lanes::Name, uint64_t>> cut;
  lanes_.trim(now, [&cut](const Lanes::Name& name, uint64_t seq) { cut.emplace_back(name, seq); });
  for (const auto& [name, seq] : cut) {
    open_[name] = Place(name.session, seq);
    hungry_.erase(name);
  }
  if (open_.size() > kMostOpen) start_again();
  return lanes_.size() < before;
}

}  // namespace wab::webhook
