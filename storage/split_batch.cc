#include "storage/split_batch.h"

namespace wab::storage {
namespace {

using rocksdb::Slice;
using rocksdb::Status;

class Picker final : public rocksdb::WriteBatch::Handler {
 public:
  Picker(uint32_t column, std::vector<std::pair<std::string, std::string>>& puts)
      : column_(column), puts_(puts) {}
  Status PutCF(uint32_t column, const Slice& key, const Slice& value) override {
    if (column == column_) puts_.emplace_back(key.ToString(), value.ToString());
    return Status::OK();
  }
  Status DeleteCF(uint32_t, const Slice&) override { return Status::OK(); }
  Status DeleteRangeCF(uint32_t, const Slice&, const Slice&) override { return Status::OK(); }

 private:
  const uint32_t column_;
  std::vector<std::pair<std::string, std::string>>& puts_;
};

}  // namespace

std::vector<std::pair<std::string, std::string>> puts_of_column(const rocksdb::WriteBatch& batch,
                                                                uint32_t column) {
  std::vector<std::pair<std::string, std::string>> puts;
  Picker picker(column, puts);
  batch.Iterate(&picker).PermitUncheckedError();
  return puts;
}

}  // namespace wab::storage
