#include "signals.h"

#include <csignal>
#include <initializer_list>

namespace decant {
namespace {

volatile std::sig_atomic_t stop_requested = 0;
volatile std::sig_atomic_t urgent = 0;

void OnSignal(int signal) {
  stop_requested = 1;
  if (signal == SIGTERM) urgent = 1;
  if (signal == SIGINT) std::signal(SIGINT, SIG_DFL);
}

}  // namespace

void InstallStopSignals() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) ::sigaction(signal, &action, nullptr);
}

bool StopRequested() {
  return stop_requested != 0;
}

bool UrgentStopRequested() {
  return urgent != 0;
}

}  // namespace decant
