# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# The C module _os, which frozen/os.py wraps, and machine.Timer on the same events.

SRC_USERMOD_C += $(addprefix $(USERMOD_DIR)/, \
	modos.c os_callback.c os_duration.c os_error.c os_event.c os_hard.c os_irq.c os_power_button.c \
	os_soft.c os_stats.c os_timer.c machine_timer.c)
CFLAGS_USERMOD += -I$(USERMOD_DIR)
