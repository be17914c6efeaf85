#pragma once

#include <cstdint>
#include <string>

namespace decant {

// Debian's PyTorch at the same work: torch_select.py in a process of its own, with one thread.
class TorchSelect {
 public:
  // `rows_path` has float32 rows of `num_classes` logits, nothing else.
  TorchSelect(const std::string& rows_path, uint32_t num_classes, uint32_t k);
  ~TorchSelect();
  TorchSelect(const TorchSelect&) = delete;
  TorchSelect& operator=(const TorchSelect&) = delete;

  // False without /usr/bin/python3 or its torch.
  bool available() const { return available_; }
  // Processor time of one pass over all rows. kUnavailable when the process has ended.
  double PassSeconds();

 private:
  std::string ReadLine();

  int pid_ = -1;
  int socket_ = -1;
  bool available_ = false;
};

}  // namespace decant
