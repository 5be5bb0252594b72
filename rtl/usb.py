"""A board's own USB pins as a serial port of the host: LUNA's full-speed CDC-ACM device, and the way between its clock
and the core's."""

import warnings

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import AsyncFIFO
from amaranth.lib.wiring import In, Out

from .spec.link import DELIMITER, USB_PRODUCT, USB_VENDOR
from .uart import BYTE

_DEPTH = 16  # bytes between the clocks, either way; LUNA has two packets before and behind them


class UsbSerial(wiring.Component):
    """Bytes from and to a host, which sees a serial port without a rate.

    The host is held up while its bytes are not taken, and the board's are sent at the end of each frame, or when there
    is a packet of them. It needs the domains ``usb_io``, at 48 MHz, and ``usb``, at 12 MHz and in phase with it.

    Parameters
    ----------
    pads : object
        ``d_p`` and ``d_n``, each with the signals ``i``, ``o`` and ``oe``, and ``pullup``, with ``o``.
    product : str
        What the host is told that it is.

    Members
    -------
    o : Out, i : In
        Bytes from and to the host, in the domain ``sync``.
    """

    o: Out(stream.Signature(BYTE))
    i: In(stream.Signature(BYTE))

    def __init__(self, pads, product):
        self._pads = pads
        self._product = product
        super().__init__()

    def elaborate(self, platform):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of Amaranth, about records
            from luna.gateware.usb.devices.acm import USBSerialDevice

            device = USBSerialDevice(
                bus=self._pads,
                idVendor=USB_VENDOR,
                idProduct=USB_PRODUCT,
                manufacturer_string="fpga-accel",
                product_string=self._product,
            )
        m = Module()

        m.submodules.device = device
        m.submodules.incoming = incoming = AsyncFIFO(width=BYTE.width, depth=_DEPTH, w_domain="usb", r_domain="sync")
        m.submodules.outgoing = outgoing = AsyncFIFO(width=BYTE.width, depth=_DEPTH, w_domain="sync", r_domain="usb")
        m.d.comb += device.connect.eq(1)
        m.d.comb += incoming.w_data.eq(device.rx.payload)
        m.d.comb += incoming.w_en.eq(device.rx.valid)
        m.d.comb += device.rx.ready.eq(incoming.w_rdy)
        m.d.comb += self.o.payload.eq(incoming.r_data)
        m.d.comb += self.o.valid.eq(incoming.r_rdy)
        m.d.comb += incoming.r_en.eq(self.o.ready)

        m.d.comb += outgoing.w_data.eq(self.i.payload)
        m.d.comb += outgoing.w_en.eq(self.i.valid)
        m.d.comb += self.i.ready.eq(outgoing.w_rdy)
        m.d.comb += device.tx.payload.eq(outgoing.r_data)
        m.d.comb += device.tx.valid.eq(outgoing.r_rdy)
        m.d.comb += device.tx.last.eq(outgoing.r_data == DELIMITER)
        m.d.comb += outgoing.r_en.eq(device.tx.ready)

        return m
