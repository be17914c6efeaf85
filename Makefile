# The front door. The CMake presets are the build; these targets install what is missing, then call them.
.PHONY: help deps test-deps program build demo test test-release test-presets test-core test-asan test-pytorch format clean

help:
	@echo "make demo   install what is missing, build, and run the whole pipe on handwritten digits (about 3 minutes)"
	@echo "make test   install what is missing, build, and run all tests"
	@echo "make build  install what is missing and build everything; the program is build/release/cli/decant"

# Under CI, warnings are errors.
CONFIGURE = cmake -DCMAKE_COMPILE_WARNING_AS_ERROR=$(if $(CI),ON,OFF) --preset

deps:
	@tools/install_packages

test-deps:
	@tools/install_packages --cluster

program: deps
	@$(CONFIGURE) release --log-level=WARNING
	@cmake --build --preset release --target decant

build: deps
	@$(CONFIGURE) release --log-level=WARNING
	@cmake --build --preset release

demo: program
	@build/release/cli/decant demo --out build/demo

# Of the tests without the label unit most wait, for hosts, leases and limits: the other presets have their turn meanwhile.
test: test-deps build
	@ctest --preset release -L unit -j 2
	@$(MAKE) --no-print-directory -j 2 test-release test-presets

test-presets:
	@nice $(MAKE) --no-print-directory test-asan
	@nice $(MAKE) --no-print-directory test-core

test-release:
	@ctest --preset release -LE unit -j 4

# The store, the data and the stream, built without LibTorch and MPI.
test-core: deps
	@$(CONFIGURE) core --log-level=WARNING
	@cmake --build --preset core --parallel 2
	@ctest --preset core

# The unit tests that touch bytes most, under AddressSanitizer and UndefinedBehaviorSanitizer.
test-asan: deps
	@$(CONFIGURE) asan --log-level=WARNING
	@cmake --build --preset asan --parallel 2
	@ctest --preset asan

# Not part of `make test`: the Python tests under the current PyTorch of PyPI.
test-pytorch: build
	@tests/python/current_pytorch.sh build/release

format:
	@git ls-files '*.cc' '*.h' | xargs clang-format -i

clean:
	@rm -rf build
