#include "storage/rocks_expiry.h"

#include "storage/base/bytes.h"
#include "storage/rocks_database.h"

namespace wab::storage {
namespace {

constexpr size_t kKindAt = 32;    // of a row's key
constexpr size_t kVersionAt = 8;  // of an envelope
constexpr size_t kRowKey = 32 + 1 + 16;
constexpr size_t kMarkValue = 24;

class Marks final : public rocksdb::CompactionFilter {
 public:
  explicit Marks(const Expiry& expiry) : until_(expiry.marks_until.load()) {}
  const char* Name() const override { return "wab.marks"; }
  bool Filter(int, const rocksdb::Slice&, const rocksdb::Slice& value, std::string*,
              bool*) const override {
    if (value.size() != kMarkValue) return false;
    return static_cast<UnixSeconds>(read_be64(bytes_of(value))) < until_;
  }

 private:
  const UnixSeconds until_;
};

class Rows final : public rocksdb::CompactionFilter {
 public:
  explicit Rows(std::shared_ptr<Expiry> expiry) : expiry_(std::move(expiry)) {}
  const char* Name() const override { return "wab.rows"; }
  bool Filter(int, const rocksdb::Slice& key, const rocksdb::Slice& value, std::string*,
              bool*) const override {
    if (key.size() != kRowKey || value.size() < kVersionAt + 8) return false;
    const uint64_t below = expiry_->rows_below[bytes_of(key)[kKindAt]].load();
    return below != 0 && read_be64(bytes_of(value).subspan(kVersionAt)) < below;
  }

 private:
  const std::shared_ptr<Expiry> expiry_;
};

class MarksFactory final : public rocksdb::CompactionFilterFactory {
 public:
  explicit MarksFactory(std::shared_ptr<Expiry> expiry) : expiry_(std::move(expiry)) {}
  const char* Name() const override { return "wab.marks"; }
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    return std::make_unique<Marks>(*expiry_);
  }

 private:
  std::shared_ptr<Expiry> expiry_;
};

class RowsFactory final : public rocksdb::CompactionFilterFactory {
 public:
  explicit RowsFactory(std::shared_ptr<Expiry> expiry) : expiry_(std::move(expiry)) {}
  const char* Name() const override { return "wab.rows"; }
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    return std::make_unique<Rows>(expiry_);
  }

 private:
  std::shared_ptr<Expiry> expiry_;
};

}  // namespace

std::shared_ptr<rocksdb::CompactionFilterFactory> expire_marks(std::shared_ptr<Expiry> expiry) {
  return std::make_shared<MarksFactory>(std::move(expiry));
}
std::shared_ptr<rocksdb::CompactionFilterFactory> expire_rows(std::shared_ptr<Expiry> expiry) {
  return std::make_shared<RowsFactory>(std::move(expiry));
}

}  // namespace wab::storage
