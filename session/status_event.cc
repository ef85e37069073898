#include "session/status_event.h"

#include <nlohmann/json.hpp>

namespace wab::session {

EventDraft status_event(Status status, const Reason& reason, UnixMillis since, uint64_t seq) {
  nlohmann::ordered_json data;
  data["status"] = status_word(status);
  data["reason"] = {{"code", reason.code}, {"message", reason.message}, {"next", reason.next}};
  EventDraft draft;
  draft.type = "session.status";
  draft.source = {"", "", std::to_string(seq),
                  "session.status/" + std::string(status_word(status))};
  draft.occurred_at = since;
  draft.data = data.dump();
  return draft;
}

}  // namespace wab::session
