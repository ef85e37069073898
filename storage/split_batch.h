// For the mutation switches of the crash tests alone: takes one column's puts out of a write.
#pragma once

#include <rocksdb/write_batch.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace wab::storage {

// Keys and values that `batch` puts into the column family with this number.
std::vector<std::pair<std::string, std::string>> puts_of_column(const rocksdb::WriteBatch& batch,
                                                                uint32_t column);

}  // namespace wab::storage
