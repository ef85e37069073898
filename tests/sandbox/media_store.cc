#include "tests/sandbox/media_store.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "session/signal/kdf.h"

namespace wab::sandbox {
namespace {

constexpr std::array<std::string_view, 13> kTypes = {"image",
                                                     "video",
                                                     "audio",
                                                     "document",
                                                     "md-msg-hist",
                                                     "md-app-state",
                                                     "thumbnail-link",
                                                     "sticker-pack",
                                                     "thumbnail-image",
                                                     "thumbnail-video",
                                                     "thumbnail-document",
                                                     "thumbnail-sticker-pack",
                                                     "sticker"};

wire::HttpResponse answer(int status, std::string body) {
  wire::HttpResponse out;
  out.status = status;
  out.headers.set("content-type", "application/json");
  out.body = to_bytes(view(body));
  return out;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = text[i] == '%' ? from_hex(text.substr(i + 1, 2)) : std::nullopt;
    if (byte && byte->size() == 1) {
      out.push_back(static_cast<char>(byte->front()));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::string parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view one = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    if (one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=') {
      return percent_decoded(one.substr(name.size() + 1));
    }
  }
  return {};
}

// base64url or base64, with or without padding.
std::optional<Bytes> token_bytes(std::string_view token) {
  std::string plain = percent_decoded(token);
  std::ranges::replace(plain, '+', '-');
  std::ranges::replace(plain, '/', '_');
  while (!plain.empty() && plain.back() == '=') plain.pop_back();
  return from_base64url(plain);
}

}  // namespace

wire::HttpResponse MediaStore::handle(const wire::HttpRequest& request) {
  const std::string_view path = request.path();
  if (request.method == "POST" && path.starts_with("/mms/")) {
    const size_t end = path.find('/', 5);
    if (end == std::string_view::npos) return answer(404, "{}");
    return upload(request, std::string(path.substr(5, end - 5)));
  }
  if (request.method == "GET") return download(request);
  if (request.method == "DELETE") {
    const auto found = files_.find(std::string(path));
    if (found == files_.end()) return answer(404, "{}");
    bytes_ -= found->second.size();
    files_.erase(found);
    return answer(200, "{}");
  }
  return answer(405, "{}");
}

std::string MediaStore::put(const std::string& type, Bytes file) {
  const auto hash = signal::sha256(file);
  const std::string path = "/v/t62." + type + "/" + to_base64url(hash);
  if (!files_.contains(path)) {
    bytes_ += file.size();
    files_.emplace(path, std::move(file));
    order_.push_back(path);
  }
  while (bytes_ > most_bytes_ && order_.size() > 1) {
    const auto oldest = files_.find(order_.front());
    if (oldest != files_.end()) {
      bytes_ -= oldest->second.size();
      files_.erase(oldest);
    }
    order_.pop_front();
  }
  return path + "?ccb=11-4&oh=sandbox&oe=FFFFFFFF&_nc_sid=000000";
}

wire::HttpResponse MediaStore::upload(const wire::HttpRequest& request, const std::string& type) {
  if (std::ranges::find(kTypes, type) == kTypes.end()) return answer(404, "{}");
  if (parameter(request.query(), "auth").empty()) return answer(401, "{}");
  const std::string_view path = request.path();
  const auto token = token_bytes(path.substr(path.rfind('/') + 1));
  const auto shown = token_bytes(parameter(request.query(), "token"));
  if (!token || token != shown) return answer(400, R"({"error":"token"})");
  std::string direct;
  if (parameter(request.query(), "resume") == "1" && request.body.empty()) {
    const std::string known = "/v/t62." + type + "/" + to_base64url(*token);
    if (!files_.contains(known)) return answer(200, R"({"resume":"0"})");
    direct = known + "?ccb=11-4&oh=sandbox&oe=FFFFFFFF&_nc_sid=000000";
    return answer(200, R"({"resume":"complete","url":"https://)" +
                           std::string(request.headers.get("host")) + direct +
                           R"(","direct_path":")" + direct + R"("})");
  }
  const auto hash = signal::sha256(request.body);
  if (!std::ranges::equal(hash, *token)) return answer(400, R"({"error":"hash"})");
  if (request.body.size() < 26 || (request.body.size() - 10) % 16 != 0) {
    return answer(400, R"({"error":"length"})");
  }
  direct = put(type, request.body);
  return answer(200, R"({"url":"https://)" + std::string(request.headers.get("host")) + direct +
                         R"(","direct_path":")" + direct + R"(","handle":"sandbox"})");
}

wire::HttpResponse MediaStore::download(const wire::HttpRequest& request) const {
  const auto found = files_.find(std::string(request.path()));
  if (found == files_.end()) return answer(404, "{}");
  wire::HttpResponse out;
  out.headers.set("content-type", "application/octet-stream");
  const Bytes& file = found->second;
  std::string_view range = request.headers.get("range");
  if (!range.starts_with("bytes=")) {
    out.body = file;
    return out;
  }
  range.remove_prefix(6);
  size_t first = 0;
  size_t last = file.empty() ? 0 : file.size() - 1;
  const size_t dash = range.find('-');
  if (dash == std::string_view::npos) return answer(416, "{}");
  const std::string_view from = range.substr(0, dash);
  const std::string_view to = range.substr(dash + 1);
  std::from_chars(from.data(), from.data() + from.size(), first);
  if (!to.empty()) std::from_chars(to.data(), to.data() + to.size(), last);
  if (file.empty() || first >= file.size() || last < first) return answer(416, "{}");
  last = std::min(last, file.size() - 1);
  out.status = 206;
  out.headers.set("content-range", "bytes " + std::to_string(first) + "-" + std::to_string(last) +
                                       "/" + std::to_string(file.size()));
  out.body.assign(file.begin() + static_cast<std::ptrdiff_t>(first),
                  file.begin() + static_cast<std::ptrdiff_t>(last) + 1);
  return out;
}

}  // namespace wab::sandbox
