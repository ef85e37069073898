// Where a tenant says that its server is: any text is a URL, an address and a network, or none of
// them. What is a URL comes back the same from its own text, and no way of writing an address that
// may not be dialled makes it one that may.
#include <boost/asio/ip/address.hpp>
#include <cstdlib>

#include "session/wire/url.h"
#include "webhook/guard.h"

namespace {

using boost::asio::ip::address;
using boost::asio::ip::address_v4;
using boost::asio::ip::address_v6;

void judge(const address& one) {
  const bool fine = wab::webhook::is_public(one);
  if (one.is_v4()) {
    const auto mapped = boost::asio::ip::make_address_v6(boost::asio::ip::v4_mapped, one.to_v4());
    if (wab::webhook::is_public(mapped) && !fine) std::abort();
    return;
  }
  const address_v6 v6 = one.to_v6();
  if (fine && (v6.is_loopback() || v6.is_link_local() || v6.is_multicast() || v6.is_unspecified() ||
               v6.is_site_local())) {
    std::abort();
  }
  if (v6.is_v4_mapped()) {
    const address_v4 v4 = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, v6);
    if (fine && !wab::webhook::is_public(v4)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto url = wab::wire::parse_url(text)) {
    const auto again = wab::wire::parse_url(url->text());
    if (!again || again->text() != url->text() || again->host != url->host ||
        again->port != url->port || again->target != url->target) {
      std::abort();
    }
    if (url->host.empty() || url->port == 0 || url->target.empty()) std::abort();
    for (const char c : url->host + url->target) {
      if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') std::abort();
    }
  }
  boost::system::error_code bad;
  const address one = boost::asio::ip::make_address(text, bad);
  if (!bad) judge(one);
  if (const auto network = wab::webhook::Network::parse(text)) {
    if (!network->contains(network->base)) std::abort();
    const wab::webhook::Guard guard({*network});
    if (!guard.allows(network->base)) std::abort();
    judge(network->base);
  }
  if (size == 4) judge(address_v4({data[0], data[1], data[2], data[3]}));
  if (size == 16) {
    address_v6::bytes_type bytes;
    std::copy(data, data + 16, bytes.begin());
    judge(address_v6(bytes));
  }
  return 0;
}
