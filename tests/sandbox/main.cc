// waslo-sandbox: a WhatsApp to test against (README, "Sandbox").
#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <iostream>

#include "tests/sandbox/admin.h"
#include "tests/sandbox/authority.h"
#include "tests/sandbox/faults.h"
#include "tests/sandbox/listener.h"
#include "tests/sandbox/media_store.h"
#include "tests/sandbox/phone.h"
#include "tests/sandbox/stanza_log.h"
#include "tests/sandbox/world.h"

namespace wab::sandbox {
namespace {

struct Arguments {
  std::string listen = "127.0.0.1:8443";
  bool plain = false;
  std::string certificate;
  std::string key;
  std::string public_host;
  bool quiet = false;
};

std::optional<wire::Endpoint> endpoint(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (host == "localhost") host = "127.0.0.1";
  boost::system::error_code bad;
  const auto address = boost::asio::ip::make_address(host, bad);
  const std::string digits = text.substr(colon + 1);
  if (bad || digits.empty() || digits.size() > 5 ||
      digits.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  const unsigned long port = std::stoul(digits);
  if (port > 65'535) return std::nullopt;
  return wire::Endpoint{address, static_cast<uint16_t>(port)};
}

// /admin/ goes to the admin API, the rest are media.
class Paths final : public HttpHandler {
 public:
  Paths(Admin& admin, MediaStore& media) : admin_(admin), media_(media) {}
  wire::awaitable<wire::HttpResponse> handle(const wire::HttpRequest& request) override {
    if (request.path().starts_with("/admin/")) co_return co_await admin_.handle(request);
    co_return media_.handle(request);
  }

 private:
  Admin& admin_;
  MediaStore& media_;
};

wire::awaitable<void> tick_forever(World& world, Phones& phones) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  for (unsigned round = 0;; ++round) {
    timer.expires_after(std::chrono::milliseconds(100));
    boost::system::error_code cancelled;
    co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, cancelled));
    if (cancelled) co_return;
    world.tick();
    phones.pump();
    if (round % 10 == 0) phones.tick();
  }
}

int fail_with(int code, const std::string& words) {
  std::cerr << "waslo-sandbox: " << words << std::endl;
  return code;
}

int run(const Arguments& arguments) {
  const auto at = endpoint(arguments.listen);
  if (!at) return fail_with(2, "--listen: ADDRESS:PORT expected, such as 127.0.0.1:8443");
  if (arguments.certificate.empty() != arguments.key.empty()) {
    return fail_with(2, "--certificate and --key belong together");
  }
  Random& random = system_random();
  NoiseAuthority authority(random);
  Listener::Options options;
  options.at = *at;
  std::string authority_pem;
  if (!arguments.plain) {
    const auto identity = arguments.certificate.empty()
                              ? make_tls_identity({at->address.to_string()})
                              : load_tls_identity(arguments.certificate, arguments.key);
    if (!identity) return fail_with(2, "--certificate: " + identity.error().describe());
    auto tls = wire::TlsContext::server(identity->certificate_pem, identity->key_pem);
    if (!tls) return fail_with(2, "--certificate: " + tls.error().describe());
    options.tls = std::move(*tls);
    authority_pem = identity->authority_pem;
  }

  boost::asio::io_context context(1);
  World world(system_clock(), random);
  Phones phones(world);
  Faults faults;
  world.set_hooks(&phones);
  world.set_faults(&faults);
  bool woken = false;
  phones.on_work([&] {
    if (std::exchange(woken, true)) return;
    boost::asio::post(context, [&] {
      woken = false;
      phones.pump();
    });
  });
  StanzaLog log;
  world.on_stanza([&](const StanzaEvent& event) { log.add(event); });
  Admin admin(world, phones, faults, log, Admin::Trust{authority.root_key(), authority_pem});
  MediaStore media;
  Paths paths(admin, media);
  Listener listener(context, world, authority, paths, std::move(options));
  if (const auto started = listener.start(); !started) {
    return fail_with(1, "--listen: " + started.error().describe());
  }
  const std::string host =
      arguments.public_host.empty() ? at->address.to_string() : arguments.public_host;
  world.settings().media_host = host + ":" + std::to_string(listener.port());

  boost::asio::signal_set signals(context, SIGINT, SIGTERM);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (error) return;
    listener.stop();
    context.stop();
  });
  boost::asio::co_spawn(context, tick_forever(world, phones), boost::asio::detached);
  std::cout << "waslo-sandbox listening on " << listener.url() << std::endl;
  context.run();
  if (!arguments.quiet) {
    std::cerr << "waslo-sandbox: " << world.violations().size() << " violations recorded"
              << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace wab::sandbox

int main(int count, char** values) {
  std::signal(SIGPIPE, SIG_IGN);
  wab::sandbox::Arguments arguments;
  CLI::App app(
      "A WhatsApp to test against: the server side of the multi-device protocol, strict, with "
      "virtual phones. Everything is in memory and gone at exit.");
  app.add_option("--listen", arguments.listen, "ADDRESS:PORT; port 0 picks a free one")
      ->capture_default_str();
  app.add_flag("--plain", arguments.plain, "without TLS: ws:// and http://");
  app.add_option("--certificate", arguments.certificate, "PEM chain instead of one made at start");
  app.add_option("--key", arguments.key, "PEM key of the certificate");
  app.add_option("--media-host", arguments.public_host,
                 "host name that clients are told for media (default: the listening address)");
  app.add_flag("--quiet", arguments.quiet, "print nothing but the line that says where it listens");
  try {
    app.parse(count, values);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return wab::sandbox::run(arguments);
}
