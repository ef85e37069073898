#include "tests/support/memory_stream.h"

#include <algorithm>

#include "storage/base/async.h"

namespace wab::test {
namespace {

using wire::Deadline;
using wire::WireError;

// One direction.
struct Pipe {
  Bytes data;
  bool ended = false;   // the writer closed
  bool closed = false;  // the reader closed
  std::vector<size_t> splits;
  size_t next_split = 0;
  Event changed;

  size_t next_size(size_t wanted) {
    size_t size = std::min(wanted, data.size());
    if (!splits.empty()) size = std::min(size, splits[next_split++ % splits.size()]);
    return std::max<size_t>(size, 1);
  }
};

class MemoryStream final : public wire::ByteStream {
 public:
  MemoryStream(boost::asio::any_io_executor executor, std::shared_ptr<Pipe> in,
               std::shared_ptr<Pipe> out, Bytes* copy = nullptr)
      : executor_(std::move(executor)), in_(std::move(in)), out_(std::move(out)), copy_(copy) {}
  ~MemoryStream() override { close(); }

  awaitable<Result<size_t>> read_some(MutableBytes into, Deadline deadline) override {
    auto in = in_;
    while (in->data.empty() && !in->ended && !in->closed) {
      const bool in_time = co_await in->changed.wait_until(deadline);
      if (!in_time) co_return fail(WireError::timeout, "memory read");
    }
    if (in->closed) co_return fail(WireError::closed, "memory read");
    if (in->data.empty()) co_return size_t{0};
    const size_t size = in->next_size(into.size());
    std::copy_n(in->data.begin(), size, into.begin());
    in->data.erase(in->data.begin(), in->data.begin() + static_cast<ptrdiff_t>(size));
    co_return size;
  }
  awaitable<Result<void>> write(ByteView all, Deadline) override {
    if (in_->closed) co_return fail(WireError::closed, "memory write");
    if (copy_ != nullptr) append(*copy_, all);
    if (out_->closed) co_return fail(WireError::refused, "memory write");
    append(out_->data, all);
    out_->changed.notify_all();
    co_return ok();
  }
  void close() override {
    in_->closed = true;
    in_->changed.notify_all();
    out_->ended = true;
    out_->changed.notify_all();
  }
  boost::asio::any_io_executor executor() override { return executor_; }
  std::string peer() const override { return ""; }

 private:
  boost::asio::any_io_executor executor_;
  std::shared_ptr<Pipe> in_;
  std::shared_ptr<Pipe> out_;
  Bytes* copy_;
};

}  // namespace

MemoryPair memory_pair(boost::asio::any_io_executor executor, std::vector<size_t> splits) {
  auto one = std::make_shared<Pipe>();
  auto two = std::make_shared<Pipe>();
  one->splits = splits;
  two->splits = std::move(splits);
  return {std::make_unique<MemoryStream>(executor, one, two),
          std::make_unique<MemoryStream>(executor, two, one)};
}

std::unique_ptr<wire::ByteStream> scripted_stream(boost::asio::any_io_executor executor,
                                                  Bytes input, std::vector<size_t> splits,
                                                  Bytes* output) {
  auto in = std::make_shared<Pipe>();
  in->data = std::move(input);
  in->ended = true;
  in->splits = std::move(splits);
  auto out = std::make_shared<Pipe>();
  return std::make_unique<MemoryStream>(std::move(executor), std::move(in), std::move(out), output);
}

}  // namespace wab::test
