// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The ImportOS authors
//
// The two 8259A interrupt controllers: moved out of the exceptions' way and silenced for good.

#ifndef IMPORTOS_PIC_H
#define IMPORTOS_PIC_H

void pic_disable(void);

#endif // IMPORTOS_PIC_H
