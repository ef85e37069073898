#include "bridge/console.h"

#include <openssl/sha.h>

#include <map>

#include "storage/base/bytes.h"

namespace wab::bridge {
namespace {

std::string_view type_of(std::string_view name) {
  const auto end = name.substr(name.rfind('.') + 1);
  if (end == "html") return "text/html; charset=utf-8";
  if (end == "js") return "text/javascript; charset=utf-8";
  if (end == "css") return "text/css; charset=utf-8";
  return "image/svg+xml";
}

template <size_t N, class Hash>
std::string digest(std::string_view text, Hash hash) {
  ByteArray<N> out;
  hash(reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data());
  return std::string(reinterpret_cast<const char*>(out.data()), N);
}

std::string hex_digest(std::string_view text, size_t bytes) {
  return to_hex(view(digest<SHA256_DIGEST_LENGTH>(text, SHA256).substr(0, bytes)));
}

std::string integrity_of(std::string_view name) {
  for (const auto& source : console_sources()) {
    if (source.name != name) continue;
    return "sha384-" + to_base64(view(digest<SHA384_DIGEST_LENGTH>(source.text, SHA384)));
  }
  return {};
}

std::string filled(std::string_view text) {
  std::string out;
  for (;;) {
    const auto open = text.find("{{");
    const auto close = open == text.npos ? text.npos : text.find("}}", open);
    if (close == text.npos) return out += text;
    out += text.substr(0, open);
    const auto word = text.substr(open + 2, close - open - 2);
    const auto blank = word.find(' ');
    out += blank == word.npos ? console_version() : integrity_of(word.substr(blank + 1));
    text.remove_prefix(close + 2);
  }
}

std::map<std::string_view, ConsoleFile> prepare() {
  std::map<std::string_view, ConsoleFile> out;
  for (const auto& source : console_sources()) {
    ConsoleFile file{source.name, type_of(source.name), std::string(source.text), {}};
    if (source.name.ends_with(".html")) file.text = filled(source.text);
    file.etag = "\"" + hex_digest(file.text, 16) + "\"";
    out.emplace(source.name, std::move(file));
  }
  return out;
}

}  // namespace

extern constexpr std::string_view kConsolePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'; "
    "report-uri /v1/csp-reports; report-to csp";

extern constexpr std::string_view kConsoleReports = "csp=\"/v1/csp-reports\"";

const std::string& console_version() {
  static const std::string version = [] {
    std::string all;
    for (const auto& source : console_sources()) {
      all += hex_digest(source.name, 32) + hex_digest(source.text, 32);
    }
    return hex_digest(all, 8);
  }();
  return version;
}

const ConsoleFile* console_file(std::string_view name) {
  static const auto files = prepare();
  const auto found = files.find(name);
  return found == files.end() ? nullptr : &found->second;
}

}  // namespace wab::bridge
