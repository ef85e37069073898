#include "webhook/format_json.h"

#include <ctime>

namespace wab::webhook {

int64_t seconds_of(const std::string& iso8601) {
  std::tm at{};
  if (strptime(iso8601.c_str(), "%Y-%m-%dT%H:%M:%S", &at) == nullptr) return 0;
  return static_cast<int64_t>(timegm(&at));
}

std::string shown_text(const Json& data) {
  const std::string kind = str(data, "kind");
  const Json& content = at(data, kind.c_str());
  for (const char* key : {"body", "caption", "text", "title"}) {
    if (content.contains(key)) return str(content, key);
  }
  return "";
}

bool is_media(const std::string& kind) {
  for (const char* one : {"image", "video", "video_note", "audio", "document", "sticker"}) {
    if (kind == one) return true;
  }
  return false;
}

std::string user_of(const std::string& jid) { return jid.substr(0, jid.find('@')); }

}  // namespace wab::webhook
