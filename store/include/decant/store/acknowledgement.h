#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace decant {

// How far a reader of a store is: it has no more need of the epochs below `next_epoch`. Readers that never acknowledge
// hold nothing back, such as those with read-only access.
struct Acknowledgement {
  std::string name;
  uint32_t next_epoch = 0;
};

// Records, durably, how far the reader `name` is (1 to 64 letters, digits, '.', '_', '-', a letter or digit first):
// with `next_epoch` 0 before it begins, so that no epoch expires which it has not read. Readers of different names may
// do so at the same time. kNotFound when there is no store.
void Acknowledge(const std::string& store_path, const Acknowledgement& acknowledgement);

// Of all readers, by name. kDataLoss for a damaged one.
std::vector<Acknowledgement> ReadAcknowledgements(const std::string& store_path);

// Reads the record of the reader `name`; kDataLoss, with `what` (a place), for damage and for another reader's.
Acknowledgement DecodeAcknowledgement(const std::string& name, std::string_view record, std::string_view what);

// The file of a reader: removing it makes an end of its claims.
std::string AcknowledgementPath(const std::string& store_path, const std::string& name);

}  // namespace decant
