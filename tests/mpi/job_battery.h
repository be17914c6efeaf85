#pragma once

#include <functional>
#include <string>
#include <vector>

#include "decant/cluster/run_job.h"

namespace decant {

// Where a case runs: one rank, and what can be done to it.
struct JobPlace {
  Communicator& communicator;
  std::string folder;  // shared by all ranks, empty at first
  // From any thread: the rank does nothing for so long, and comes back.
  std::function<void(double seconds)> freeze;
  // From any thread: the rank is never heard of again. May return.
  std::function<void()> die;

  int last_rank() const { return communicator.size() - 1; }
  bool is_last() const { return communicator.rank() == last_rank(); }
};

// What RunJob promises, as cases that use nothing but messages between the ranks, so that they run on any
// Communicator of 3 ranks. Every rank runs the body; it throws what is not as promised.
struct JobCase {
  std::string name;
  std::function<void(JobPlace&)> body;
  int num_dead = 0;  // ranks that die on the way
};
const std::vector<JobCase>& JobCases();

}  // namespace decant
