# A thin front to CMake: the presets do the work (cmake --list-presets).
PRESET ?= release
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
BUILD = build/$(PRESET)

.PHONY: all check check-full sanitize install clean

all:
	tools/install-dependencies build
	cmake --preset $(PRESET)
	cmake --build --preset $(PRESET) --parallel $(JOBS)

# Everything that runs in minutes; ends with the counts.
check:
	tools/install-dependencies check
	$(MAKE) --no-print-directory all
	ctest --preset $(PRESET) --parallel $(JOBS)

# The same tests under ASan + UBSan, then TSan.
sanitize:
	$(MAKE) --no-print-directory check PRESET=dev
	$(MAKE) --no-print-directory check PRESET=tsan

# Full-size models against PyTorch: installs python3-torch, takes half an hour and 8 GB.
check-full: all
	tests/full/full_size.sh $(BUILD)

install: all
	cmake --install $(BUILD) --prefix $(DESTDIR)$(PREFIX)

clean:
	rm -rf build
