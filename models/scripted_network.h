#pragma once

#include <string>

#include "decant/models/network.h"

namespace decant {

// A TorchScript module as a network: its parameters and buffers are the module's own, named with '/' for '.'.
std::shared_ptr<Network> LoadScriptedNetwork(const std::string& path);
// Whether SaveNetwork() writes `network` as TorchScript.
bool IsScripted(const Network& network);
// Writes a scripted network, with `text` beside it, and replaces `path` atomically.
void SaveScripted(const Network& network, const std::string& text, const std::string& path);
// The text that SaveScripted() wrote. kNotFound; kDataLoss for anything else.
std::string ReadScriptedText(const std::string& path);

}  // namespace decant
