#include "bridge/request.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "storage/base/bytes.h"

namespace wab::bridge {
namespace {

bool same_word(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) !=
        std::tolower(static_cast<unsigned char>(b[i]))) {
      return false;
    }
  }
  return true;
}

bool decode(std::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const auto byte = text.size() - i > 2 ? from_hex(text.substr(i + 1, 2)) : std::nullopt;
      if (!byte) return false;
      out += static_cast<char>(byte->front());
      i += 2;
    }
  }
  return is_utf8(view(out));
}

}  // namespace

std::string_view Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (same_word(key, name)) return value;
  }
  return {};
}

size_t Request::count(std::string_view name) const {
  return static_cast<size_t>(std::count_if(headers.begin(), headers.end(), [&](const auto& header) {
    return same_word(header.first, name);
  }));
}

std::string_view Request::parameter(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return {};
}

bool parse_query(std::string_view text, Query& into) {
  while (!text.empty()) {
    const auto end = text.find('&');
    const auto pair = text.substr(0, end);
    const auto equals = pair.find('=');
    std::string key, value;
    if (!decode(pair.substr(0, equals), key)) return false;
    if (equals != std::string_view::npos && !decode(pair.substr(equals + 1), value)) return false;
    if (!pair.empty()) into.emplace_back(std::move(key), std::move(value));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return into.size() <= 32;
}

Answer json_answer(int status, const nlohmann::json& body) {
  Answer answer;
  answer.status = status;
  answer.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return answer;
}

Answer problem_answer(const Problem& problem, std::string_view request_id) {
  Answer answer;
  answer.status = row_of(problem.code).status;
  answer.content_type = "application/problem+json; charset=utf-8";
  answer.body = problem_json(problem, request_id);
  if (problem.retry_after > 0) {
    answer.headers.emplace_back("Retry-After", std::to_string(problem.retry_after));
  }
  if (answer.status == 401) answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  return answer;
}

}  // namespace wab::bridge
