// The HTTP API by which tests and people drive the sandbox (contract section 5; README "Sandbox").
//
// JSON in and out; errors are {"error": "..."} with 400, 404, 405, 409 or 413. Routes beyond the
// contract's are listed in admin.cc. On the sandbox's thread; everything given outlives the Admin.
#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "session/wire/http_message.h"
#include "session/wire/stream.h"
#include "tests/sandbox/faults.h"
#include "tests/sandbox/phone.h"
#include "tests/sandbox/stanza_log.h"
#include "tests/sandbox/world.h"

namespace wab::sandbox {

class Admin {
 public:
  struct Trust {
    Key32 noise_root_key{};
    std::string tls_ca_pem;  // empty for a sandbox without TLS
  };
  static constexpr size_t kMaxBody = 16u << 20;
  static constexpr std::chrono::seconds kMaxWait{60};

  Admin(World& world, Phones& phones, Faults& faults, StanzaLog& log, Trust trust);

  // `request` lives until the answer.
  wire::awaitable<wire::HttpResponse> handle(const wire::HttpRequest& request);

 private:
  struct Call {
    std::vector<std::string> parts;  // what stands for the {} of the route
    const wire::HttpRequest& request;
    std::string query(std::string_view name) const;  // decoded, "" if absent
    uint64_t number(std::string_view name, uint64_t otherwise) const;
  };
  // An answer, or what to wait for before there is one.
  struct Outcome {
    wire::HttpResponse response;
    std::function<bool()> ready{};  // nothing: `response` is it
    std::function<wire::HttpResponse()> finish{};
    std::chrono::milliseconds patience{0};
  };
  struct Route {
    const char* method;
    const char* path;
    Outcome (Admin::*run)(const Call&);
  };
  static const std::vector<Route>& routes();
  Outcome dispatch(const wire::HttpRequest& request);

  // admin.cc
  Outcome get_trust(const Call&);
  Outcome scan_qr(const Call&);
  Outcome enter_code(const Call&);
  Outcome get_stanzas(const Call&);
  // admin_accounts.cc
  Outcome post_account(const Call&);
  Outcome get_accounts(const Call&);
  Outcome get_inbox(const Call&);
  Outcome unlink_device(const Call&);
  Outcome lose_sessions(const Call&);
  Outcome post_group(const Call&);
  // admin_messages.cc
  Outcome post_messages(const Call&);
  Outcome get_message(const Call&);
  Outcome post_receipt(const Call&);
  // admin_faults.cc
  Outcome post_faults(const Call&);
  Outcome get_faults(const Call&);
  Outcome delete_faults(const Call&);

  World& world_;
  Phones& phones_;
  Faults& faults_;
  StanzaLog& log_;
  Trust trust_;
};

// For the admin_*.cc files.
wire::HttpResponse json_response(int status, const nlohmann::json& body);
wire::HttpResponse error_response(int status, const std::string& words);
// Digits, "+digits", or a jid of a user or group; nothing for anything else.
std::optional<node::Jid> parse_recipient(const std::string& text);
bool is_phone_number(const std::string& digits);

}  // namespace wab::sandbox
