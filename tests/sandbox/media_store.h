// The media host: keeps encrypted files under their hash (dossier 3 sections 3.4, 3.5 and 10.3).
// In memory, bounded; the oldest files go first. On the sandbox's thread.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "session/wire/http_message.h"

namespace wab::sandbox {

class MediaStore {
 public:
  explicit MediaStore(size_t most_bytes = 512u << 20) : most_bytes_(most_bytes) {}

  wire::HttpResponse handle(const wire::HttpRequest& request);
  // Puts a file in as if it had been uploaded; answers its direct path.
  std::string put(const std::string& type, Bytes file);
  size_t size() const { return files_.size(); }

 private:
  wire::HttpResponse upload(const wire::HttpRequest& request, const std::string& type);
  wire::HttpResponse download(const wire::HttpRequest& request) const;

  size_t most_bytes_;
  size_t bytes_ = 0;
  std::map<std::string, Bytes> files_;  // by path
  std::deque<std::string> order_;
};

}  // namespace wab::sandbox
