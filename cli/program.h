#pragma once

// The program with the commands of this image; its exit code. Twice in a build with LibTorch: in `decant` itself, with
// the commands that need none, and in a library with all of them (main.cc).
extern "C" int DecantProgram(int argc, char** argv);
