#include "session/wire/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <boost/asio/ip/address.hpp>
#include <cerrno>

#include "session/wire/socket_core.h"

namespace wab::wire {
namespace {

// The SSL object with its socket; shared by the stream and the operations under way.
struct Tls {
  explicit Tls(std::shared_ptr<SocketCore> socket) : core(std::move(socket)) {}
  ~Tls() { SSL_free(ssl); }
  Tls(const Tls&) = delete;

  std::shared_ptr<SocketCore> core;
  SSL* ssl = nullptr;
  bool usable = false;  // handshaken, no fatal error: a close_notify makes sense
};

enum class Step { done, want_read, want_write, end, failed };

// What an SSL call that answered `result` wants. errno is read here, right behind the call.
Step step_after(Tls& tls, int result) {
  switch (SSL_get_error(tls.ssl, result)) {
    case SSL_ERROR_NONE:
      return Step::done;
    case SSL_ERROR_WANT_READ:
      return Step::want_read;
    case SSL_ERROR_WANT_WRITE:
      return Step::want_write;
    case SSL_ERROR_ZERO_RETURN:
      return Step::end;
    default:
      tls.usable = false;
      return Step::failed;
  }
}

// The queue of OpenSSL is per thread and other connections use it: always emptied.
Error take_error(int saved_errno, const char* where) {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  if (code == 0) {
    if (saved_errno == 0) return Error(WireError::eof, where);
    return Error(error_of_errno(saved_errno), where);
  }
  if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
      ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    return Error(WireError::eof, where);
  }
  if (ERR_GET_LIB(code) == ERR_LIB_SYS) return Error(error_of_errno(ERR_GET_REASON(code)), where);
  return Error(WireError::tls, where);
}

class TlsStream final : public ByteStream, public HalfCloses {
 public:
  explicit TlsStream(std::shared_ptr<Tls> tls) : tls_(std::move(tls)) {}
  ~TlsStream() override { close(); }

  awaitable<Result<size_t>> read_some(MutableBytes into, Deadline deadline) override;
  awaitable<Result<void>> write(ByteView all, Deadline deadline) override;
  void close() override;
  void finish_writing() override;
  boost::asio::any_io_executor executor() override { return tls_->core->executor(); }
  std::string peer() const override { return tls_->core->peer().text(); }

 private:
  std::shared_ptr<Tls> tls_;
};

awaitable<Result<size_t>> TlsStream::read_some(MutableBytes into, Deadline deadline) {
  auto tls = tls_;
  for (;;) {
    if (tls->core->closed()) co_return fail(WireError::closed, "tls read");
    ERR_clear_error();
    errno = 0;
    size_t size = 0;
    const int result = SSL_read_ex(tls->ssl, into.data(), into.size(), &size);
    const int saved_errno = errno;
    const Step step = step_after(*tls, result);
    if (step == Step::done) co_return size;
    if (step == Step::end) co_return size_t{0};
    if (step == Step::failed) co_return fail(take_error(saved_errno, "tls read"));
    const auto what =
        step == Step::want_read ? SocketCore::Ready::to_read : SocketCore::Ready::to_write;
    CO_TRY_VOID(co_await tls->core->wait(what, deadline));
  }
}

awaitable<Result<void>> TlsStream::write(ByteView all, Deadline deadline) {
  auto tls = tls_;
  while (!all.empty()) {
    if (tls->core->closed()) co_return fail(WireError::closed, "tls write");
    ERR_clear_error();
    errno = 0;
    size_t size = 0;
    const int result = SSL_write_ex(tls->ssl, all.data(), all.size(), &size);
    const int saved_errno = errno;
    const Step step = step_after(*tls, result);
    if (step == Step::done) {
      all = all.subspan(size);
      continue;
    }
    if (step == Step::end || step == Step::failed) {
      co_return fail(take_error(saved_errno, "tls write"));
    }
    const auto what =
        step == Step::want_read ? SocketCore::Ready::to_read : SocketCore::Ready::to_write;
    CO_TRY_VOID(co_await tls->core->wait(what, deadline));
  }
  co_return ok();
}

void TlsStream::close() {
  if (tls_->core->closed()) return;
  if (tls_->usable) {
    ERR_clear_error();
    SSL_shutdown(tls_->ssl);  // once: sends close_notify if the socket takes it, never waits
    ERR_clear_error();
  }
  tls_->core->close();
}

void TlsStream::finish_writing() {
  if (tls_->core->closed() || !tls_->usable) return;
  ERR_clear_error();
  SSL_shutdown(tls_->ssl);
  ERR_clear_error();
  tls_->usable = false;  // close_notify is on its way; a second one means nothing
  ::shutdown(tls_->core->fd(), SHUT_WR);
}

awaitable<Result<void>> handshake(std::shared_ptr<Tls> tls, Deadline deadline) {
  for (;;) {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(tls->ssl);
    const int saved_errno = errno;
    const Step step = step_after(*tls, result);
    if (step == Step::done) {
      tls->usable = true;
      co_return ok();
    }
    if (step == Step::end || step == Step::failed) {
      const long verdict = SSL_get_verify_result(tls->ssl);
      if (!SSL_is_server(tls->ssl) && verdict != X509_V_OK) {
        ERR_clear_error();
        co_return fail(WireError::tls_certificate, X509_verify_cert_error_string(verdict));
      }
      co_return fail(take_error(saved_errno, "tls handshake"));
    }
    const auto what =
        step == Step::want_read ? SocketCore::Ready::to_read : SocketCore::Ready::to_write;
    CO_TRY_VOID(co_await tls->core->wait(what, deadline));
  }
}

Result<std::shared_ptr<Tls>> start(TcpStream& plain, const TlsContext& context) {
  auto core = plain.release();
  if (!core || core->closed()) return fail(WireError::closed, "tls start");
  auto tls = std::make_shared<Tls>(std::move(core));
  tls->ssl = SSL_new(context.get());
  if (tls->ssl == nullptr || SSL_set_fd(tls->ssl, tls->core->fd()) != 1) {
    ERR_clear_error();
    tls->core->close();
    return fail(WireError::tls, "tls start");
  }
  return tls;
}

// The name to verify, and to announce when it is a name.
bool expect_name(SSL* ssl, const std::string& name) {
  boost::system::error_code not_an_address;
  boost::asio::ip::make_address(name, not_an_address);
  X509_VERIFY_PARAM* rules = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (!not_an_address) return X509_VERIFY_PARAM_set1_ip_asc(rules, name.c_str()) == 1;
  return !name.empty() && SSL_set_tlsext_host_name(ssl, name.c_str()) == 1 &&
         X509_VERIFY_PARAM_set1_host(rules, name.data(), name.size()) == 1;
}

awaitable<Result<std::unique_ptr<ByteStream>>> finish(std::shared_ptr<Tls> tls, Deadline deadline) {
  Result<void> shaken = co_await handshake(tls, deadline);
  auto stream = std::make_unique<TlsStream>(std::move(tls));  // closes the socket in any case
  if (!shaken) co_return fail(shaken.error());
  co_return stream;
}

}  // namespace

awaitable<Result<std::unique_ptr<ByteStream>>> tls_connect(std::unique_ptr<TcpStream> plain,
                                                           TlsContext context,
                                                           std::string server_name,
                                                           Deadline deadline) {
  CO_TRY(auto tls, start(*plain, context));
  SSL_set_connect_state(tls->ssl);
  if (!expect_name(tls->ssl, server_name)) {
    tls->core->close();
    co_return fail(WireError::tls, "server name");
  }
  co_return co_await finish(std::move(tls), deadline);
}

awaitable<Result<std::unique_ptr<ByteStream>>> tls_accept(std::unique_ptr<TcpStream> plain,
                                                          TlsContext context, Deadline deadline) {
  CO_TRY(auto tls, start(*plain, context));
  SSL_set_accept_state(tls->ssl);
  co_return co_await finish(std::move(tls), deadline);
}

}  // namespace wab::wire
